"""Numbered reasons for which data is refused.

A reason's number appears in receipts, RPC errors and on the command line alike, so numbers are never reused (P20).
"""

import enum
from collections.abc import Mapping


@enum.unique
class Reason(enum.IntEnum):
    """Why something was refused.

    Hundreds: 1 encoding, 2 transactions, 3 blocks, 4 market, 5 models, 6 runs, 7 requests, 8 keys, 9 a node's files,
    10 what stands between a person and the network.
    """

    # 1xx: encoding, keys, content
    MALFORMED = 101
    TOO_LARGE = 102
    BAD_KEY = 103
    BAD_SIGNATURE = 104
    BAD_ADDRESS = 105
    BAD_PROOF = 106
    WRONG_NETWORK = 107

    # 2xx: transactions
    NONCE_TOO_LOW = 201
    NONCE_GAP = 202
    FEE_TOO_LOW = 203
    EXPIRED = 204
    VALID_TOO_LONG = 205
    INSUFFICIENT_BALANCE = 206
    ZERO_AMOUNT = 207
    MEMPOOL_FULL = 208
    ALREADY_KNOWN = 209
    ACCOUNT_LIMIT = 210

    # 3xx: blocks
    BLOCK_WRONG_PARENT = 301
    BLOCK_WRONG_HEIGHT = 302
    BLOCK_WRONG_TIME = 303
    BLOCK_WRONG_PROPOSER = 304
    BLOCK_WRONG_STATE_ROOT = 305
    BLOCK_WRONG_TX_ROOT = 306
    BLOCK_WRONG_BEACON = 307
    BLOCK_WRONG_VALIDATORS = 308
    BLOCK_TOO_LARGE = 309
    BLOCK_BAD_TRANSACTION = 310
    BLOCK_WRONG_VERSION = 311
    BLOCK_WRONG_RECEIPTS_ROOT = 312

    # 4xx: the market
    WORKER_UNKNOWN = 401
    WORKER_EXISTS = 402
    BOND_TOO_SMALL = 403
    BOND_LOCKED = 404
    MODEL_UNKNOWN = 405
    MODEL_EXISTS = 406
    JOB_UNKNOWN = 407
    JOB_WRONG_STATE = 408
    NOT_A_PARTY = 409
    TOO_FEW_VERIFIERS = 410
    PRICE_TOO_LOW = 411
    PRICE_ABOVE_CAP = 412
    WRONG_PROVIDER = 413
    DEADLINE_PASSED = 414
    COMMITMENT_MISMATCH = 415
    ALREADY_COMMITTED = 416
    ALREADY_REVEALED = 417
    WRONG_SHAPE = 418
    CLASS_NOT_YET = 419
    TIER_NOT_YET = 420
    NO_CAPACITY = 421
    INPUT_TOO_LARGE = 422
    VERDICT_CONTRADICTS = 423
    PROVIDER_UNKNOWN = 424
    OUTPUT_TOO_LARGE = 425

    # 5xx: models and inputs, found in the sandbox at admission
    MODEL_UNREADABLE = 501
    MODEL_TOO_LARGE = 502
    OPERATOR_REFUSED = 503
    OPSET_REFUSED = 504
    EXTERNAL_DATA = 505
    TYPE_REFUSED = 506
    SHAPE_NOT_STATIC = 507
    CUT_UNKNOWN = 508
    CUT_REFUSED = 509
    NESTING_TOO_DEEP = 510
    TOO_MANY_NODES = 511
    FUNCTIONS_REFUSED = 512
    NONDETERMINISTIC = 513
    INPUT_WRONG_NAME = 514
    INPUT_WRONG_TYPE = 515
    INPUT_WRONG_SHAPE = 516
    INPUT_UNREADABLE = 517
    GRAPH_INVALID = 518

    # 6xx: runs that failed
    RUN_TIME_LIMIT = 601
    RUN_MEMORY_LIMIT = 602
    RUN_CRASHED = 603
    RUN_REFUSED = 604
    RUN_ENGINE_ERROR = 605
    CONTENT_NOT_FOUND = 606
    CONTENT_MISMATCH = 607

    # 7xx: requests to a node
    REQUEST_INVALID = 701
    REQUEST_UNKNOWN_METHOD = 702
    NOT_FOUND = 703
    BUSY = 704
    NODE_BEHIND = 705
    STORE_FULL = 706
    REQUEST_NOT_LOCAL = 707
    INTERNAL = 708
    NOT_A_WORKER = 709

    # 8xx: key files
    KEY_UNREADABLE = 801
    KEY_WRONG_VERSION = 802
    KEY_WRONG_KIND = 803
    KEY_WRONG_PASSWORD = 804
    KEY_NOT_ENCRYPTED = 805
    KEY_EXPOSED = 806
    KEY_EXISTS = 807

    # 9xx: a node's own files
    CONFIG_INVALID = 901
    HOME_INCOMPLETE = 902
    HOME_IN_USE = 903
    GENESIS_MISMATCH = 904
    STORE_DAMAGED = 905
    STORE_FOREIGN = 906

    # 10xx: between a person and the network
    NODE_UNREACHABLE = 1001
    NODE_ANSWER_INVALID = 1002
    KEY_UNKNOWN = 1003
    KEY_AMBIGUOUS = 1004
    AMOUNT_INVALID = 1005
    FILE_UNREADABLE = 1006
    STILL_PENDING = 1007
    JOB_VOID = 1008
    TESTNET_EXISTS = 1009
    TESTNET_UNKNOWN = 1010
    NODE_DID_NOT_START = 1011
    NODE_UNKNOWN = 1012


Fact = str | int | bytes | None


class Refused(Exception):
    """Somebody's data is wrong: a reason and the facts that show it, such as what was seen and what was wanted."""

    def __init__(self, reason: Reason, **facts: Fact) -> None:
        self.reason = reason
        self.facts: Mapping[str, Fact] = facts
        super().__init__(reason, facts)

    def __str__(self) -> str:
        told = ", ".join(
            f"{name} {value.hex() if isinstance(value, bytes) else value}" for name, value in self.facts.items()
        )
        words = self.reason.name.lower().replace("_", " ")
        return f"{words} ({int(self.reason)}): {told}" if told else f"{words} ({int(self.reason)})"
