"""Numbered reasons for which data is refused.

A reason's number appears in receipts, RPC errors and on the command line alike, so numbers are never reused (P20).
"""

import enum
from collections.abc import Mapping


@enum.unique
class Reason(enum.IntEnum):
    """Why something was refused.

    Hundreds: 1 encoding, 2 transactions, 3 blocks, 4 market, 5 models, 6 runs, 7 requests, 8 keys, 9 a node's files,
    10 what stands between a person and the network, 11 validators and their stake.
    """

    # 1xx: encoding, keys, content
    MALFORMED = 101  # the bytes are not a record, or not its one encoding
    TOO_LARGE = 102  # longer than a message of its kind may be
    BAD_KEY = 103  # no public key that the protocol takes
    BAD_SIGNATURE = 104  # the signature is not that of the key on this message, in this network
    BAD_ADDRESS = 105  # not an address, or mistyped
    BAD_PROOF = 106  # the proof does not fit what it should prove
    WRONG_NETWORK = 107  # meant for another network

    # 2xx: transactions
    NONCE_TOO_LOW = 201  # a transaction with this nonce has been included already
    NONCE_GAP = 202  # an earlier transaction of the account is missing
    FEE_TOO_LOW = 203  # the fee is below what a block, or a replacement, asks
    EXPIRED = 204  # the transaction's last time has passed
    VALID_TOO_LONG = 205  # the transaction's last time is too far off
    INSUFFICIENT_BALANCE = 206  # the account holds less than this costs
    ZERO_AMOUNT = 207  # nothing would be moved
    MEMPOOL_FULL = 208  # this node holds as many waiting transactions as it can
    ALREADY_KNOWN = 209  # this node holds this transaction already
    ACCOUNT_LIMIT = 210  # too many transactions of this account are waiting
    REPLACEMENT_TOO_CHEAP = 211  # a transaction with this nonce waits, and this one offers too little more

    # 3xx: blocks
    BLOCK_WRONG_PARENT = 301  # the block does not build on the parent that it should
    BLOCK_WRONG_HEIGHT = 302  # the height is not one more than the parent's
    BLOCK_WRONG_TIME = 303  # the time does not grow, or lies in the future
    BLOCK_WRONG_PROPOSER = 304  # the proposer is no validator of the set
    BLOCK_WRONG_STATE_ROOT = 305  # the parent's state has another root
    BLOCK_WRONG_TX_ROOT = 306  # the transactions have another root
    BLOCK_WRONG_BEACON = 307  # the proposer's reveal does not open its commitment
    BLOCK_WRONG_VALIDATORS = 308  # the set of validators has another hash
    BLOCK_TOO_LARGE = 309  # more bytes or transactions than a block may hold
    BLOCK_BAD_TRANSACTION = 310  # a transaction that no block may include
    BLOCK_WRONG_VERSION = 311  # a version of the rules that is not in force
    BLOCK_WRONG_RECEIPTS_ROOT = 312  # the parent's receipts have another root
    ONION_USED_UP = 313  # every layer of the validator's hash onion is revealed, so it proposes no more
    BLOCK_WRONG_BASE_FEE = 314  # the base fee, or the gas of the parent, is another
    BLOCK_BAD_EVIDENCE = 315  # evidence that no block may include
    RULES_UNKNOWN = 316  # rules are in force that this program does not know

    # 4xx: the market
    WORKER_UNKNOWN = 401  # the account is not registered as a worker
    WORKER_EXISTS = 402  # the account is registered as a worker already
    BOND_TOO_SMALL = 403  # the free bond is less than this needs
    BOND_LOCKED = 404  # the bond is bound by jobs that have not ended
    MODEL_UNKNOWN = 405  # no model with this id is published
    MODEL_EXISTS = 406  # a model with this id is published already
    JOB_UNKNOWN = 407  # there is no job with this id
    JOB_WRONG_STATE = 408  # the job is not in the state for this
    NOT_A_PARTY = 409  # the sender has no such part in this
    TOO_FEW_VERIFIERS = 410  # fewer workers could verify than the tier asks
    PRICE_TOO_LOW = 411  # the price is below what the provider asks
    PRICE_ABOVE_CAP = 412  # the price is above what the client pays at most
    WRONG_PROVIDER = 413  # the job names another provider
    COMMITMENT_MISMATCH = 415  # what is revealed is not what was committed to
    ALREADY_COMMITTED = 416  # the worker has committed to this job already
    ALREADY_REVEALED = 417  # the worker has revealed for this job already
    WRONG_SHAPE = 418  # the revealed tensors are not those that the model gives
    NO_CAPACITY = 421  # the worker has no slot for it, or not the size
    INPUT_TOO_LARGE = 422  # the input is larger than a job may have
    VERDICT_CONTRADICTS = 423  # the verdict is not what the chain's own comparison gives
    PROVIDER_UNKNOWN = 424  # the named provider is not registered as a worker
    OUTPUT_TOO_LARGE = 425  # the outputs, or values at the cut, are larger than the chain compares
    ALREADY_DECLINED = 426  # the worker has declined this job already, or enough others have
    LOWERING_INVALID = 427  # the lowering contradicts itself or its model
    LOWERING_UNKNOWN = 428  # no lowering with this id is registered
    LOWERING_EXISTS = 429  # this lowering is registered already
    CLASS_NOT_OFFERED = 430  # the lowering does not offer jobs of this class
    DISPUTE_UNKNOWN = 440  # there is no dispute with this id
    DISPUTE_WRONG_STAGE = 441  # the dispute is not in the stage for this
    DISPUTE_NOT_ASKED = 442  # this side of the duel does not owe this now
    CLAIMS_FULL = 443  # as many have claimed in this dispute as may
    SUBJECT_INVALID = 444  # no dispute, or no judgement, can be about this
    NO_CASE = 448  # what was shown is what our own run gives: there is nothing to claim
    REPLY_KEY_WANTED = 445  # the outputs are too large for the chain, and the job names no key to seal them to
    WRONG_SAMPLE = 446  # the leaves are not those that the beacon has picked
    WRONG_SEAL = 447  # what is delivered sealed is not as long as the outputs make it, or not asked for
    BATCH_UNKNOWN = 450  # no such batch
    CANARY_MISMATCH = 451  # the job was not submitted as a canary of this provider
    CANARY_OPENED = 452  # the canary is open already
    CANARY_TOO_SOON = 453  # this provider has opened a canary a short while ago
    NOTHING_OWED = 454  # nothing of this kind is owed to the sender by this holder now
    ALREADY_FILED = 455  # the sender has asked for it, or for as much as it may, or it is on the chain
    CHUNK_UNKNOWN = 456  # the content has no such chunks, or they are not in order
    CHUNK_NOT_ASKED = 457  # nobody waits for this chunk

    # 5xx: models and inputs, found in the sandbox at admission
    MODEL_UNREADABLE = 501  # the file is no whole ONNX model
    MODEL_TOO_LARGE = 502  # the file is larger than a model may be
    OPERATOR_REFUSED = 503  # the model uses an operator that is not served
    OPSET_REFUSED = 504  # the model is written for a version that is not served
    EXTERNAL_DATA = 505  # the model's weights are in other files
    TYPE_REFUSED = 506  # the model uses a type of value that is not served
    SHAPE_NOT_STATIC = 507  # a shape is not known before the run
    CUT_REFUSED = 509  # this value can't be a cut
    NESTING_TOO_DEEP = 510  # a graph within a graph
    TOO_MANY_NODES = 511  # more nodes or weights than a model may have
    FUNCTIONS_REFUSED = 512  # the model defines functions of its own
    NONDETERMINISTIC = 513  # the model asks for random numbers
    INPUT_WRONG_NAME = 514  # the input does not have the model's names
    INPUT_WRONG_TYPE = 515  # a tensor of the input has another type than the model's
    INPUT_WRONG_SHAPE = 516  # a tensor of the input has another shape than the model's
    INPUT_UNREADABLE = 517  # the input is no bundle of tensors
    GRAPH_INVALID = 518  # the model's graph contradicts itself
    NOT_NATIVE = 519  # something in the model allows class exact alone
    NATIVE_DEVIATES = 520  # native runs differ from the canonical one by more than machines may
    ILL_CONDITIONED = 521  # the model turns the last bits of its values into large differences
    TOO_COSTLY = 522  # a run takes more work or memory than is served
    TILE_TOO_LARGE = 523  # no referee could judge an element of this: too long a proof, or too much work
    VALUE_TOO_LARGE = 524  # a value of the model is larger than one may be
    PROGRAM_INVALID = 525  # a lowered program contradicts itself, or its operators
    LOWERING_DIFFERS = 526  # the lowering on chain is not what the model's file gives

    # 6xx: runs that failed
    RUN_TIME_LIMIT = 601  # the run took longer than it may
    RUN_MEMORY_LIMIT = 602  # the run needed more memory than it may
    RUN_CRASHED = 603  # the sandbox ended during the run
    RUN_REFUSED = 604  # the sandbox does not do this
    RUN_ENGINE_ERROR = 605  # ONNX Runtime could not run the model on this input
    CONTENT_NOT_FOUND = 606  # no node that could be asked holds this content
    CONTENT_MISMATCH = 607  # the bytes are not those that the root names
    RUN_TRAPPED = 608  # the canonical run ends in a trap, such as a division by zero
    KNOWN_ANSWERS_WRONG = 609  # this machine computes otherwise than the network does

    # 7xx: requests to a node
    REQUEST_INVALID = 701  # the request has another form or other parameters than the method
    REQUEST_UNKNOWN_METHOD = 702  # there is no method of this name
    NOT_FOUND = 703  # there is no such thing here
    BUSY = 704  # as many requests are under way as may be; try again
    STORE_FULL = 706  # the content store holds as much as it may
    REQUEST_NOT_LOCAL = 707  # the request came from elsewhere than this machine, or from a web page
    INTERNAL = 708  # a fault of the node's own; its log says more
    NOT_A_WORKER = 709  # the node has no sandbox for this

    # 8xx: key files
    KEY_UNREADABLE = 801  # the file is no key file, or damaged
    KEY_WRONG_VERSION = 802  # the key file is of a version that this program does not read
    KEY_WRONG_KIND = 803  # the key is meant for something else
    KEY_WRONG_PASSWORD = 804  # the password does not open the key file
    KEY_NOT_ENCRYPTED = 805  # a key without a password, on a network where it needs one
    KEY_EXPOSED = 806  # others on this machine may read the key file
    KEY_EXISTS = 807  # there is a key file of this name already

    # 9xx: a node's own files
    CONFIG_INVALID = 901  # a setting of config.toml is unknown or wrong
    HOME_INCOMPLETE = 902  # a file that a node needs is not in its home
    HOME_IN_USE = 903  # another node runs in this home
    GENESIS_MISMATCH = 904  # the genesis file is not the one of this hash
    STORE_DAMAGED = 905  # the stored state does not have the stored root
    STORE_FOREIGN = 906  # the store is another network's, or of another version

    # 10xx: between a person and the network
    NODE_UNREACHABLE = 1001  # no node answers at this address
    NODE_ANSWER_INVALID = 1002  # the answer is not one of a node
    KEY_UNKNOWN = 1003  # there is no key of this name or address
    KEY_AMBIGUOUS = 1004  # several keys fit
    AMOUNT_INVALID = 1005  # not an amount of karat, or finer than a grain
    FILE_UNREADABLE = 1006  # the file can't be read
    STILL_PENDING = 1007  # not final within the time that was given
    JOB_VOID = 1008  # the job ended void: refunded, without a result
    TESTNET_EXISTS = 1009  # there is a test network in this directory already
    TESTNET_UNKNOWN = 1010  # there is no test network in this directory
    NODE_DID_NOT_START = 1011  # the node did not answer within its time
    NODE_UNKNOWN = 1012  # the test network has no node of this name
    RECEIPT_WRONG_VERSION = 1013  # the receipt is of a version that this program does not read
    RECEIPT_CONTRADICTS = 1014  # a transaction of the receipt does not agree with the job that it shows
    SEAL_BROKEN = 1020  # a sealed result was sealed to another key, or for another job

    # 11xx: validators and their stake
    VALIDATOR_UNKNOWN = 1101  # the account is no validator
    VALIDATOR_EXISTS = 1102  # the account is a validator already
    VALIDATOR_WRONG_STATE = 1103  # the validator is not in the state for this
    KEY_TAKEN = 1104  # a validator has named this key or onion before
    STILL_JAILED = 1105  # the validator's time in jail is not over
    DELEGATION_UNKNOWN = 1106  # the account has delegated nothing to this validator
    EVIDENCE_PROVES_NOTHING = 1107  # the two votes convict nobody
    EVIDENCE_STALE = 1108  # the offence is too old, or punished already


Fact = str | int | bytes | None


class Refused(Exception):
    """Somebody's data is wrong: a reason and the facts that show it, such as what was seen and what was wanted."""

    def __init__(self, reason: Reason, /, **facts: Fact) -> None:
        self.reason = reason
        self.facts: Mapping[str, Fact] = facts
        super().__init__(reason, facts)

    def __str__(self) -> str:
        told = ", ".join(
            f"{name} {value.hex() if isinstance(value, bytes) else value}" for name, value in self.facts.items()
        )
        words = self.reason.name.lower().replace("_", " ")
        return f"{words} ({int(self.reason)}): {told}" if told else f"{words} ({int(self.reason)})"
