"""Limits of size and number that every node keeps alike."""

from vm.tensor import SMALL_BUNDLE_BYTES_MAX

TX_BYTES_MAX = 64 * 1024
"""The longest signed transaction of most kinds: a reveal (two bundles) or a publication (64 ports, 192 ids)."""
HEAVY_TX_BYTES_MAX = 272 * 1024
"""Of the kinds that carry proofs and withheld content: 256 KiB of proof, and what stands around it (L10)."""
BLOCK_TXS_MAX = 4_000
"""What a node executes within a few tenths of a second (L31)."""
BLOCK_BYTES_MAX = 1_000_000
"""All transactions of a block together: a tenth of a second on a home line of 100 Mbit/s (L31)."""
ORDINARY_TXS_MAX = BLOCK_TXS_MAX * 3 // 4
"""A quarter is kept for commitments and reveals: who floods the chain can't make others miss a deadline (L36)."""
ORDINARY_BYTES_MAX = 721_000
"""What is kept of the bytes holds the heaviest transaction: no flood keeps a proof out of a block (L36)."""
BLOCK_GAS_MAX = 2_000_000
"""All transactions of a block together: two seconds of a slow machine (L29)."""
ORDINARY_GAS_MAX = BLOCK_GAS_MAX * 3 // 4
"""As many transfers as there are places for (L29)."""
PROOFS_MAX = 1
"""Verdicts of the referee in a block: each takes up to 50 milliseconds, and 256 KiB of proof (X37)."""
KEPT_CHUNKS_MAX = 2
"""Chunks of withheld content in the part of a block that is kept: half of it is left to the others (H21)."""
SUBMISSIONS_MAX = 128
"""Submissions of jobs in a block, each of which looks at every worker: a quarter of a second with a thousand (L37)."""
EVIDENCE_MAX = 16
"""Pairs of votes in a block: a millisecond of signature checks, and a hundred culprits take seven blocks."""
EVIDENCE_BYTES_MAX = 512
"""An encoded pair: two votes of at most 150 bytes with their signatures."""
BLOCK_ENCODED_BYTES_MAX = BLOCK_BYTES_MAX + 8 * BLOCK_TXS_MAX + EVIDENCE_MAX * EVIDENCE_BYTES_MAX + 1_024
"""An encoded block: its transactions, their length prefixes, evidence and its header."""
REVEAL_BYTES_MAX = SMALL_BUNDLE_BYTES_MAX
"""The longest encoded bundle in a reveal; its values are at most 4 KiB."""
VALIDATORS_MAX = 100
"""Certificates carry a signature each (notes on consensus: n ≤ 100)."""
REGISTERED_VALIDATORS_MAX = 1_000
"""Validators in a set or not: the end of an epoch reads them all, at some microseconds each."""
EVIDENCE_EPOCHS_MAX = 1_024
"""Sets of past epochs that the state keeps, of 15 KB each: six weeks of epochs of an hour (Q5)."""
GENESIS_BYTES_MAX = 4 * 1024 * 1024
"""An encoded genesis: 20,000 accounts and a hundred validators fit well."""
GENESIS_ACCOUNTS_MAX = 20_000
WORKERS_MAX = 1_000
"""Workers at a time: a draw reads them all, at 3 microseconds each."""
SWEEP_JOBS_MAX = 256
"""Jobs that one block's sweep moves: bounds the time of a block after a long halt (L43)."""
SWEEP_PAYOUTS_MAX = 256
"""Unbonding entries that one block pays out (L43)."""
DRAWS_MAX = 64
"""Jobs that one block tries to draw verifiers for (L42)."""
REDRAWS_MAX = 32
"""Jobs whose silent verifiers one block replaces; others that are due wait for the next block (J54)."""
DRAW_QUEUE_MAX = 4_096
"""Jobs that wait for their draw and take turns at it: reading their places takes some milliseconds (L42)."""
SAMPLE_QUEUE_MAX = 4_096
"""Jobs looked at for which the beacon may pick leaves (J73)."""
PICKS_MAX = 256
"""Jobs for which it does so in one block: some milliseconds."""
UNFINAL_BLOCKS_MAX = 512
"""Executed blocks above the last final one, losers included: eight for each view that consensus tracks."""
STATE_ROW_BYTES_MAX = 1024 * 1024
"""No row comes near; it guards against a damaged disk."""
