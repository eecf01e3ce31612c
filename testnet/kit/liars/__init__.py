"""Workers that lie, are noisy or fall silent: put in at the worker's ports, around the product's own parts.

Whatever they do, the chain must end the job: settled by the others, disputed and decided, or refunded by a deadline.
"""
