"""Deterministic simulation: the real engine under a virtual clock, in a world made of one seed.

Real are failover, routing, store, writing, late attempts, drain, monitor, leader, presence, and the
SQL of journal, catalog and board. Simulated are time, the external server, the network to it, what
the disk's threads and the journal's thread take, the processes and their deaths.

`python -m tests.sim --seed N` plays one scenario again.
"""
