"""The one table of methods, and the two descriptions made from it: OpenRPC and the reference page."""

from typing import Any

import msgspec

from node.rpc import (
    batch_methods,
    canary_methods,
    chain_methods,
    dispute_methods,
    market_methods,
    peer_methods,
    pool_methods,
    proof_methods,
    quote_methods,
    receipt_methods,
    sync_methods,
    validator_methods,
    withheld_methods,
)
from node.rpc.method import Method, Nothing, Shape
from node.rpc.services import Services


class Discovery(Shape):
    """An OpenRPC document."""

    openrpc: str
    info: dict[str, str]
    methods: list[dict[str, Any]]
    components: dict[str, Any]


async def rpc_discover(_: Services, __: Nothing) -> Discovery:
    """Return the description of this API in OpenRPC."""
    return discovery()


METHODS: tuple[Method, ...] = (
    *chain_methods.METHODS,
    *market_methods.METHODS,
    *dispute_methods.METHODS,
    *sync_methods.METHODS,
    *pool_methods.METHODS,
    *peer_methods.METHODS,
    *validator_methods.METHODS,
    *proof_methods.METHODS,
    *quote_methods.METHODS,
    *receipt_methods.METHODS,
    *batch_methods.METHODS,
    *canary_methods.METHODS,
    *withheld_methods.METHODS,
    Method(name="rpc.discover", params=Nothing, result=Discovery, answer=rpc_discover),
)


def discovery() -> Discovery:
    """Return the OpenRPC document of METHODS."""
    kinds = list(dict.fromkeys(kind for method in METHODS for kind in (method.params, method.result)))
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(kinds, schemas, strict=True))
    return Discovery(
        openrpc="1.3.2",
        info={"title": "Assay node", "version": chain_methods.VERSION},
        methods=[
            {
                "name": method.name,
                "summary": method.description,
                "paramStructure": "by-name",
                "params": [
                    {
                        "name": field.encode_name,
                        "required": field.required,
                        "schema": _property(components, method, field),
                    }
                    for field in msgspec.structs.fields(method.params)
                ],
                "result": {"name": "result", "schema": schema_of[method.result]},
            }
            for method in METHODS
        ],
        components={"schemas": components},
    )


def _property(components: dict[str, Any], method: Method, field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    found: dict[str, Any] = components[method.params.__name__]["properties"][field.encode_name]
    return found
