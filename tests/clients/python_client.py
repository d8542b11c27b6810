#!/usr/bin/env python3
"""Signs a file of payloads with Sceau, from Python: an example to copy from.

    pip install grpcio grpcio-tools googleapis-common-protos
    python_client.py --endpoint 127.0.0.1:7443 --in day.ndjson --out signed.ndjson

Lines in:  {"id": "...", "payload": {DCC JSON}}, and optionally "expires_at" (seconds since 1970)
Lines out: {"id", "uvci", "kid", "iat", "exp", "hc1"}
Exit code: 0 all signed, 2 some refused (each with its faults on standard error), 1 the call failed.
"""

import argparse
import itertools
import json
import pathlib
import sys
import tempfile

import grpc
from google.rpc import code_pb2, error_details_pb2
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
BATCH = 500  # items a call; the service takes 1,000 at most
# A call is tried again where the service is busy or away. Its items keep their ids, so they keep their UVCIs.
RETRY = {"maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "5s", "backoffMultiplier": 2,
         "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}
SERVICE_CONFIG = json.dumps({"methodConfig": [{"name": [{"service": "sceau.v1.Signer"}], "retryPolicy": RETRY}]})


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
    if any(detail.Unpack(bad_request) for detail in error.details):
        for fault in bad_request.field_violations:
            print(f"    {fault.field} [{fault.reason}] {fault.description}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, metavar="HOST:PORT")
    parser.add_argument("--profile", default="", help="the service's default where absent")
    parser.add_argument("--in", dest="input", required=True, metavar="FILE")
    parser.add_argument("--out", required=True, metavar="FILE")
    args = parser.parse_args()
    pb, pb_grpc = stubs()
    todo, refused = items(open(args.input, encoding="utf-8"), pb), 0
    with grpc.insecure_channel(args.endpoint, [("grpc.service_config", SERVICE_CONFIG)]) as channel, open(args.out, "w") as out:
        sign_batch = pb_grpc.SignerStub(channel).SignBatch
        while batch := list(itertools.islice(todo, BATCH)):
            request = pb.SignBatchRequest(profile=args.profile, lane=pb.LANE_BULK, items=batch)
            for result in sign_batch(request, timeout=60).results:
                if result.HasField("error"):
                    explain(result.item_id, result.error)
                    refused += 1
                    continue
                c = result.certificate
                line = {"uvci": c.uvci, "kid": c.kid.hex(), "iat": c.issued_at, "exp": c.expires_at, "hc1": c.hc1}
                print(json.dumps({"id": result.item_id, **line}), file=out)
    sys.exit(2 if refused else 0)


if __name__ == "__main__":
    try:
        main()
    except (grpc.RpcError, OSError) as error:
        sys.exit(f"{error.code().name}: {error.details()}" if isinstance(error, grpc.RpcError) else str(error))
