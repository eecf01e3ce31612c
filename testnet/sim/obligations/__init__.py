"""What each rule of docs/spec/consensus.md obliges a node to do, judged from outside: what it was given, what it did.

A rule that others make up for (an answer that a repetition replaces, a fetch that a proposal spares) can be broken
without any harm that a run would show. Here it shows at the first step that breaks it. Nothing here looks into a core:
what a node knows is computed anew from its inputs and from what it wrote.
"""
