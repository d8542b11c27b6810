#!/usr/bin/env python3
"""A plain issuer, as a short script would do it: no server, no checks, no ledger.

    issuer.py --module libsofthsm2.so --label sceau-dev --pin-file demo/user.pin --key-label dsc-es256
              --certificate demo/dsc-es256.pem --in samples.ndjson [--processes 2] [--seconds 3] [--out one.txt]

samples   what `sceau sample` writes: {"payload": {...}} a line
stdout    one JSON object: processes, certificates, per_second, cpu_us (CPU time of a certificate), python
--out     the first certificate of each process, a line each: `sceau verify` reads them

Each process logs in for itself, reads every payload once, and issues them over and over: JSON to CBOR to CWT to
COSE_Sign1 (ES256), zlib, base45, HC1.
"""
import argparse
import base64
import hashlib
import json
import multiprocessing
import os
import platform
import secrets
import sys
import time
import zlib

import base45
import cbor2
import pkcs11

WARM_UP = 0.5
YEAR = 365 * 86400
KINDS = ("v", "t", "r")


class Issuer:
    """A login, a key and what is the same in each certificate."""

    def __init__(self, arguments):
        with open(arguments.pin_file, encoding="utf-8") as file:
            pin = file.readline().rstrip("\n")
        token = pkcs11.lib(arguments.module).get_token(token_label=arguments.label)
        session = token.open(user_pin=pin)
        self.key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=arguments.key_label)
        with open(arguments.certificate, encoding="ascii") as file:
            lines = [line for line in file.read().splitlines() if not line.startswith("-----")]
        kid = hashlib.sha256(base64.b64decode("".join(lines))).digest()[:8]
        self.protected = cbor2.dumps({1: -7, 4: kid}, canonical=True)
        self.issuer = arguments.issuer

    def issue(self, line):
        """One certificate from the JSON text of its payload."""
        payload = json.loads(line)
        for kind in KINDS:
            for entry in payload.get(kind, ()):
                entry["ci"] = f"URN:UVCI:01:{self.issuer}:{secrets.token_hex(16).upper()}"
        now = int(time.time())
        claims = cbor2.dumps({1: self.issuer, 4: now + YEAR, 6: now, -260: {1: payload}})
        to_be_signed = cbor2.dumps(["Signature1", self.protected, b"", claims])
        digest = hashlib.sha256(to_be_signed).digest()
        signature = self.key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
        cose = cbor2.dumps(cbor2.CBORTag(18, [self.protected, {}, claims, signature]))
        return "HC1:" + base45.b45encode(zlib.compress(cose)).decode("ascii")


def work(arguments, login, begin, results):
    """One process: certificates in the window, CPU time in it, the first certificate."""
    with open(arguments.samples, encoding="utf-8") as file:
        lines = [json.dumps(json.loads(line)["payload"]) for line in file]
    # SoftHSM writes its token's file at a login, and one that reads it meanwhile finds no token.
    with login:
        issuer = Issuer(arguments)
    first = issuer.issue(lines[0])
    begin.wait()
    issue_for(issuer, lines, WARM_UP)
    began, cpu = time.perf_counter(), time.process_time()
    count = issue_for(issuer, lines, arguments.seconds)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    results.put((count, took, cpu, first))


def issue_for(issuer, lines, seconds):
    end, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        issuer.issue(lines[count % len(lines)])
        count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--module", "--label", "--pin-file", "--key-label", "--certificate"):
        parser.add_argument(name, required=True)
    parser.add_argument("--in", dest="samples", required=True)
    parser.add_argument("--issuer", default="FR")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    # A module that is initialised must not be forked.
    context = multiprocessing.get_context("spawn")
    login, begin, results = context.Lock(), context.Barrier(arguments.processes), context.SimpleQueue()
    parts = (arguments, login, begin, results)
    processes = [context.Process(target=work, args=parts, daemon=True) for _ in range(arguments.processes)]
    for process in processes:
        process.start()
    found = []
    while len(found) < len(processes):
        if not results.empty():
            found.append(results.get())
        elif any(process.exitcode not in (None, 0) for process in processes):
            begin.abort()
            sys.exit("issuer.py: a process failed; the lines above say why")
        else:
            time.sleep(0.02)
    count = sum(part[0] for part in found)
    print(json.dumps({
        "processes": len(found),
        "certificates": count,
        "per_second": round(sum(part[0] / part[1] for part in found), 1),
        "cpu_us": round(sum(part[2] for part in found) * 1e6 / count, 1),
        "python": platform.python_version(),
    }))
    if arguments.out:
        with open(arguments.out, "w", encoding="ascii") as file:
            file.writelines(part[3] + "\n" for part in found)


if __name__ == "__main__":
    main()
