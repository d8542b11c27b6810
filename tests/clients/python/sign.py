#!/usr/bin/env python3
"""Signs a file of payloads with Sceau, from Python: an example to copy from.

    pip install grpcio grpcio-tools googleapis-common-protos
    sign.py --endpoint 127.0.0.1:7443 --in day.ndjson --out signed.ndjson
    sign.py --endpoint sceau.example:7443 --ca ca.pem --certificate me.pem --key me.key --in day.ndjson --out signed.ndjson

Lines in:  {"id": "...", "payload": {DCC JSON}}, and optionally "expires_at" (seconds since 1970)
Lines out: {"id", "uvci", "kid", "iat", "exp", "hc1"}, in the order of the lines in
Exit code: 0 all signed, 2 some not (each with its faults on standard error), 1 a call failed for good.
"""

import argparse
import itertools
import json
import pathlib
import random
import sys
import tempfile
import time

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
TRY_AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}  # away for a moment; busy


def stubs():
    """Compiles the .proto files; a program of your own does so once, when it is built."""
    well_known = pathlib.Path(protoc.__file__).with_name("_proto")
    with tempfile.TemporaryDirectory() as out:
        arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
        if protoc.main([*arguments, "sceau/v1/signer.proto"]) != 0:
            sys.exit(f"cannot compile the .proto files in {PROTO}")
        sys.path.insert(0, out)
        from sceau.v1 import signer_pb2, signer_pb2_grpc
    return signer_pb2, signer_pb2_grpc


def connect(args):
    """Plain text, which Sceau takes on loopback only; or TLS, with a certificate that says who calls."""
    if not args.ca:
        return grpc.insecure_channel(args.endpoint)
    ca, key, certificate = (path and pathlib.Path(path).read_bytes() for path in (args.ca, args.key, args.certificate))
    return grpc.secure_channel(args.endpoint, grpc.ssl_channel_credentials(ca, key, certificate))


def detail(status, message):
    """Fills the message from the status's details; whether it was among them."""
    return any(any_message.Unpack(message) for any_message in status.details)


def retry_delay(error):
    """The seconds after which the service asks to be called again; None where it does not say."""
    status, info = status_pb2.Status(), error_details_pb2.RetryInfo()
    status.ParseFromString(dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b""))
    return info.retry_delay.ToTimedelta().total_seconds() if detail(status, info) else None


def sign(sign_batch, request, deadline_seconds):
    """One call, made again while the service is away or busy and the deadline leaves time. The items keep their ids, and a
    retry is safe: each id has one certificate."""
    end, pause = time.monotonic() + deadline_seconds, 0.2
    while True:
        try:
            return sign_batch(request, timeout=max(0, end - time.monotonic())).results
        except grpc.RpcError as error:
            # A little later than asked for, and not all callers at the same time.
            delay = (retry_delay(error) or pause) * random.uniform(1, 1.3)
            if error.code() not in TRY_AGAIN or time.monotonic() + delay >= end:
                raise
            print(f"{error.code().name}: {error.details()}; again in {delay:.1f} s", file=sys.stderr)
        time.sleep(delay)
        pause = min(2 * pause, 5)


def items(lines, pb):
    for number, line in enumerate(lines, 1):
        try:
            i = json.loads(line)
            yield pb.Item(item_id=i["id"], payload_json=json.dumps(i["payload"]).encode(), expires_at=i.get("expires_at"))
        except (ValueError, TypeError, KeyError):
            sys.exit(f'line {number} is not {{"id": "...", "payload": {{...}}}}')


def explain(item_id, error):
    print(f"{item_id}: {code_pb2.Code.Name(error.code)}: {error.message}", file=sys.stderr)
    bad_request = error_details_pb2.BadRequest()
    if detail(error, bad_request):
        for fault in bad_request.field_violations:
            print(f"    {fault.field} [{fault.reason}] {fault.description}", file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, metavar="HOST:PORT")
    parser.add_argument("--ca", metavar="FILE", help="the authority of the service's certificate (PEM); absent: plain text")
    parser.add_argument("--certificate", metavar="FILE", help="who calls (PEM)")
    parser.add_argument("--key", metavar="FILE", help="its private key (PEM)")
    parser.add_argument("--profile", default="", help="the service's default where absent")
    parser.add_argument("--batch", type=int, default=500, metavar="ITEMS", help="items a call (500); the service takes 1,000")
    parser.add_argument("--deadline", type=float, default=60, metavar="SECONDS", help="of a call, with its retries (60)")
    parser.add_argument("--in", dest="input", required=True, metavar="FILE")
    parser.add_argument("--out", required=True, metavar="FILE")
    args = parser.parse_args()
    if (args.certificate is None) != (args.key is None) or (args.certificate and not args.ca):
        parser.error("--certificate and --key go together, and with --ca")
    if args.batch < 1:
        parser.error("--batch is 1 or more")
    return args


def main():
    args = arguments()
    pb, pb_grpc = stubs()
    unsigned = 0
    with connect(args) as channel, open(args.input, encoding="utf-8") as lines, open(args.out, "w", encoding="utf-8") as out:
        sign_batch, todo = pb_grpc.SignerStub(channel).SignBatch, items(lines, pb)
        while batch := list(itertools.islice(todo, args.batch)):
            request = pb.SignBatchRequest(profile=args.profile, lane=pb.LANE_BULK, items=batch)
            for result in sign(sign_batch, request, args.deadline):
                if result.HasField("error"):
                    explain(result.item_id, result.error)
                    unsigned += 1
                    continue
                c = result.certificate
                line = {"uvci": c.uvci, "kid": c.kid.hex(), "iat": c.issued_at, "exp": c.expires_at, "hc1": c.hc1}
                print(json.dumps({"id": result.item_id, **line}), file=out)
    sys.exit(2 if unsigned else 0)


if __name__ == "__main__":
    try:
        main()
    except (grpc.RpcError, OSError) as error:
        sys.exit(f"{error.code().name}: {error.details()}" if isinstance(error, grpc.RpcError) else str(error))
