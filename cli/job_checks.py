"""What can be told about a job before anything is spent, beyond what the node's dry run tells."""

from cli.bundles import ports_of_json
from cli.client import Client
from vm.manifest import check_inputs
from vm.tensor import decode_bundle


def check_input(client: Client, model: bytes, bundle: bytes) -> None:
    """Raise Refused MODEL_UNKNOWN, or INPUT_WRONG_NAME, _TYPE or _SHAPE, unless the model takes this input."""
    told = client.rpc.table("model.show", id=model.hex())
    check_inputs(ports_of_json(told["inputs"]), decode_bundle(bundle))
