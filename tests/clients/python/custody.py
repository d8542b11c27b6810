#!/usr/bin/env python3
"""Independent reading of what goes to the CSCA and to the EU gateway, as those would do it.

    custody.py request REQUEST.pem
    custody.py upload --upload-certificate up.pem UPLOAD
    custody.py list LIST.json DSC.der...

request one JSON object: subject (OID: value), key, usages (OIDs), padding
upload  the base64 of a CMS SignedData: SHA-256 of the DSC in it, in hex
list    the gateway's trust list: the kids of its entries in hex, which are those of the given DSCs, in order
exit    0 where it is as it should be, 1 where it is not (the reason on stderr)

What a CMS message has to be is told by revocations.py beside this; a request is read by cryptography alone.
"""
import argparse
import base64
import datetime
import hashlib
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from revocations import content_of, need


def request(path):
    with open(path, "rb") as file:
        csr = x509.load_pem_x509_csr(file.read())
    need(csr.is_signature_valid, "the request is not signed by its key")
    key, scheme = csr.public_key(), csr.signature_algorithm_parameters
    usage = csr.extensions.get_extension_for_class(x509.KeyUsage)
    need(usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign, "the key usage is another")
    purposes = [extension for extension in csr.extensions if extension.oid == x509.ExtensionOID.EXTENDED_KEY_USAGE]
    need(not any(extension.critical for extension in purposes), "the extended key usage is critical")
    if isinstance(key, ec.EllipticCurvePublicKey):
        need(isinstance(scheme, ec.ECDSA) and isinstance(scheme.algorithm, hashes.SHA256), "not ECDSA with SHA-256")
        kind, scheme = key.curve.name, "none"
    else:
        need(isinstance(scheme, padding.PSS) and scheme._salt_length == 32, "not RSASSA-PSS with a salt of 32 bytes")
        kind, scheme = f"rsa-{key.key_size}", "pss"
    return {
        "subject": {part.oid.dotted_string: part.value for part in csr.subject},
        "key": kind,
        "usages": [oid.dotted_string for extension in purposes for oid in extension.value],
        "padding": scheme,
    }


def upload(certificate, path):
    with open(certificate, "rb") as file:
        trusted = x509.load_pem_x509_certificate(file.read())
    with open(path, "rb") as file:
        content = content_of(base64.b64decode(file.read(), validate=True), trusted)
    dsc = x509.load_der_x509_certificate(content)
    need(dsc.public_bytes(serialization.Encoding.DER) == content, "the content is more than a certificate")
    country = x509.NameOID.COUNTRY_NAME
    of = [[part.value for part in one.subject.get_attributes_for_oid(country)] for one in (dsc, trusted)]
    need(len(of[0]) == 1 and of[0] == of[1], f"a DSC of {of[0]} under a certificate of {of[1]}")
    return hashlib.sha256(content).hexdigest()


MEMBERS = ["kid", "timestamp", "country", "certificateType", "thumbprint", "signature", "rawData"]


def trust_list(path, ders):
    with open(path, encoding="utf-8") as file:
        entries = json.load(file)
    need(len(entries) == len(ders), f"{len(entries)} entries for {len(ders)} certificates")
    for entry, der in zip(entries, ders):
        with open(der, "rb") as file:
            der = file.read()
        need(list(entry) == [member for member in MEMBERS if member in entry], f"the members are {list(entry)}")
        need(base64.b64decode(entry["rawData"], validate=True) == der, "another certificate")
        need(entry["thumbprint"] == hashlib.sha256(der).hexdigest(), "another thumbprint")
        need(base64.b64decode(entry["kid"], validate=True).hex() == entry["thumbprint"][:16], "another kid")
        need(entry["certificateType"] == "DSC", "another type")
        datetime.datetime.strptime(entry["timestamp"], "%Y-%m-%dT%H:%M:%SZ")
    return [entry["thumbprint"][:16] for entry in entries]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("request", "upload", "list"))
    parser.add_argument("--upload-certificate")
    parser.add_argument("file")
    parser.add_argument("certificates", nargs="*")
    args = parser.parse_args()
    try:
        if args.kind == "request":
            found = request(args.file)
        elif args.kind == "upload":
            found = upload(args.upload_certificate, args.file)
        else:
            found = trust_list(args.file, args.certificates)
    except Exception as error:  # whatever it is, it is not as it should be
        print(f"{args.file}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
