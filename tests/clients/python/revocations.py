#!/usr/bin/env python3
"""Independent reading of signed revocation lists, as a member state's backend would do it.

    revocations.py --country FR --upload-certificate up.pem --now 1634688000 [--step day|second] LIST...

LIST    one batch each: the base64 of a CMS SignedData, as the EU gateway takes it
stdout  one JSON object an entry: kid, expires (seconds), hashType, hash (base64)
exit    0 where every list is as it should be, 1 where one is not (the reason on stderr)

A DER walker and the checks are written here from RFC 5652 and the gateway's RevocationBatchDto; only the signature itself and
the certificate are cryptography's. It shares no code with the issuer.
"""
import argparse
import base64
import datetime
import hashlib
import json
import re
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

ID_DATA = "2a864886f70d010701"
ID_SIGNED_DATA = "2a864886f70d010702"
ID_CONTENT_TYPE = "2a864886f70d010903"
ID_MESSAGE_DIGEST = "2a864886f70d010904"
ID_SIGNING_TIME = "2a864886f70d010905"
ID_SHA_256 = "608648016503040201"
ECDSA_WITH_SHA_256 = "2a8648ce3d040302"
RSASSA_PSS = "2a864886f70d01010a"


class Wrong(Exception):
    """A list that must not be taken."""


def need(condition, reason):
    if not condition:
        raise Wrong(reason)


class Node:
    """One DER element: its tag, its value, and the bytes of the whole."""

    def __init__(self, data, at=0):
        self.tag = data[at]
        length, body = data[at + 1], at + 2
        need(length != 0x80, "an open length is not DER")
        if length > 0x80:
            size = length & 0x7F
            length, body = int.from_bytes(data[body:body + size], "big"), body + size
            need(length >= 0x80 and data[body - size] != 0, "a length is not in its shortest form")
        self.end = body + length
        need(self.end <= len(data), "an element is cut off")
        self.value, self.whole = data[body:self.end], data[at:self.end]

    def children(self):
        found, at = [], 0
        while at < len(self.value):
            found.append(Node(self.value, at))
            at = found[-1].end
        return found

    def child(self, tag):
        only = self.children()
        need(len(only) == 1 and only[0].tag == tag, f"one element of tag {tag:#x} belongs in tag {self.tag:#x}")
        return only[0]


def expect(nodes, *tags):
    need([node.tag for node in nodes] == list(tags), f"tags {[hex(node.tag) for node in nodes]}, not {[hex(tag) for tag in tags]}")
    return nodes


def oid_of(algorithm):
    return algorithm.children()[0].value.hex()


def content_of(message, trusted):
    """The content of a message, after every check."""
    info = Node(message)
    need(info.end == len(message) and info.tag == 0x30, "not one SEQUENCE")
    content_type, explicit = expect(info.children(), 0x06, 0xA0)
    need(content_type.value.hex() == ID_SIGNED_DATA, "not SignedData")
    _, digests, encapsulated, certificates, signers = expect(explicit.child(0x30).children(), 0x02, 0x31, 0x30, 0xA0, 0x31)
    need(oid_of(digests.child(0x30)) == ID_SHA_256, "the digest algorithm is not SHA-256")
    kind, wrapped = expect(encapsulated.children(), 0x06, 0xA0)
    need(kind.value.hex() == ID_DATA, "the content is not data")
    content = wrapped.child(0x04).value
    need(certificates.child(0x30).whole == trusted.public_bytes(serialization.Encoding.DER), "not the upload certificate")
    check_signer(signers.child(0x30), content, trusted)
    return content


def check_signer(signer, content, trusted):
    version, identifier, digest, attributes, algorithm, signature = expect(
        signer.children(), 0x02, 0x30, 0x30, 0xA0, 0x30, 0x04)
    need(version.value == b"\x01", "SignerInfo is of version 1 where issuer and serial number name the signer")
    issuer, serial = expect(identifier.children(), 0x30, 0x02)
    need(issuer.whole == trusted.issuer.public_bytes(), "the signer's issuer is another")
    need(int.from_bytes(serial.value, "big") == trusted.serial_number, "the signer's serial number is another")
    need(oid_of(digest) == ID_SHA_256, "the signer's digest is not SHA-256")
    values, before = {}, b""
    for attribute in attributes.children():
        need(before < attribute.whole, "the attributes are not in the order of DER")
        before = attribute.whole
        name, value_set = expect(attribute.children(), 0x06, 0x31)
        need(name.value.hex() not in values and len(value_set.children()) == 1, "an attribute stands once, with one value")
        values[name.value.hex()] = value_set.children()[0]
    need(set(values) == {ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNING_TIME}, f"the attributes are {sorted(values)}")
    need(values[ID_CONTENT_TYPE].value.hex() == ID_DATA, "the signed content type is not data")
    need(values[ID_MESSAGE_DIGEST].value == hashlib.sha256(content).digest(), "the signed digest is not the content's")
    need(values[ID_SIGNING_TIME].tag == 0x17, "the time is a UTCTime until 2049")
    check_signature(trusted.public_key(), oid_of(algorithm), signature.value, b"\x31" + attributes.whole[1:])


def check_signature(key, algorithm, signature, signed):
    # An exception of cryptography's is a signature that does not verify.
    if isinstance(key, ec.EllipticCurvePublicKey):
        need(algorithm == ECDSA_WITH_SHA_256, "the signature algorithm is not ECDSA with SHA-256")
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    else:
        need(algorithm == RSASSA_PSS, "the signature algorithm is not RSASSA-PSS")
        key.verify(signature, signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def once(pairs):
    names = [name for name, _ in pairs]
    need(len(names) == len(set(names)), "a member stands twice")
    return dict(pairs)


def seconds(text):
    need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text), f"expires {text!r} is not yyyy-MM-dd'T'HH:mm:ssXXX in UTC")
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def read_batch(content, args):
    """The entries of a batch, which is checked as the gateway's RevocationListService does, and beyond."""
    batch = json.loads(content.decode("utf-8"), object_pairs_hook=once)
    need(list(batch) == ["country", "expires", "kid", "hashType", "entries"], f"the members are {list(batch)}")
    need(batch["country"] == args.country, "the country is another")
    expires = seconds(batch["expires"])
    need(expires > args.now, "the batch has expired")
    need(args.step == "second" or expires % 86400 == 0, "the expiry is not at midnight")
    need(re.fullmatch(r"[A-Za-z0-9+/]{11}=", batch["kid"]) and len(base64.b64decode(batch["kid"])) == 8, "the kid is not 8 bytes")
    need(batch["hashType"] in ("SIGNATURE", "UCI", "COUNTRYCODEUCI"), "the hash type is none")
    need(1 <= len(batch["entries"]) <= 1000, f"{len(batch['entries'])} entries")
    for entry in batch["entries"]:
        need(list(entry) == ["hash"] and re.fullmatch(r"[A-Za-z0-9+/]{22}==", entry["hash"]), "a hash is not 16 bytes")
        need(base64.b64encode(base64.b64decode(entry["hash"])).decode() == entry["hash"], "a hash has stray bits")
        yield {"kid": base64.b64decode(batch["kid"]).hex(), "expires": expires, "hashType": batch["hashType"], "hash": entry["hash"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--country", required=True)
    parser.add_argument("--upload-certificate", required=True)
    parser.add_argument("--now", type=int, required=True)
    parser.add_argument("--step", choices=("day", "second"), default="day")
    parser.add_argument("lists", nargs="+")
    args = parser.parse_args()
    with open(args.upload_certificate, "rb") as file:
        trusted = x509.load_pem_x509_certificate(file.read())
    seen = set()
    for path in args.lists:
        try:
            with open(path, "rb") as file:
                message = base64.b64decode(file.read(), validate=True)
            for entry in read_batch(content_of(message, trusted), args):
                place = (entry["kid"], entry["hashType"], entry["hash"])
                need(place not in seen, "a hash stands in the lists twice")
                seen.add(place)
                print(json.dumps(entry))
        except Exception as error:  # whatever it is, the list is not taken
            print(f"{path}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
