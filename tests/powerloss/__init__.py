"""Power loss (I1): the states that a power cut could leave, built from a recording, each started on.

How it goes, module by module:

    workload   a real engine in a process of its own, with its real writes, drain and checkpoints
    served     a real `nobreak serve` and its clients over HTTP: what acknowledges is the answer sent
    recording  runs a program under strace; reads what it did to its disk, call by call
    runs       the recordings that are made of these two, also of a start after a death
    marks      what clients and the external store saw, in the same order as the calls
    disk       a model of a disk: what is durable, and what a power cut may lose, reorder or tear
    cuts       which states are tried at each place of a recording
    expected   what must be found after a cut at that place
    restart    puts a state on a real disk, opens nobreak on it and looks at everything
    thorough   for some states: gives all back from them, starts the real program on them
    search     all of it together, in parallel processes
    sites      the fsyncs by what they are for
    without    takes them out of a recording, one by one
    table      the tables of docs/guarantees.md

`make powerloss` tries all states, then takes the fsyncs out one by one and shows what is lost without
each, and writes that into docs/guarantees.md. A part is in `make test`. A finding names the place of
the cut, the way it was made and its seed; `--recording` and `--cut` try just that one again.

The model is stricter than any file system that we know, so that what holds in it holds on all:

- what was written and not fsynced is lost, kept, or kept in part, sector (512 bytes) by sector, in any
  order. A sector is written whole or not at all: that is what disks promise and SQLite builds on ("powersafe
  overwrite"). A file may have grown without its bytes: then these are zeros;
- an fsync of a file says nothing of its name: that is durable when its folder was fsynced. Names that
  were made, changed or removed since may each have come to the disk or not, in any order;
- a rename is atomic, and durable with an fsync of the folder that it goes to;
- an fsync that was under way when the power went has done nothing for sure.

These are the "persistence properties" that Pillai et al. found file systems to differ in ("All File Systems
Are Not Created Equal", OSDI 2014: ALICE), at their weakest, but for two: a rename is atomic, and a sector
is. As CrashMonkey (Mohan et al., OSDI 2018) does, states are built from what was recorded of a real run, and
as the crash tests of SQLite (https://sqlite.org/testing.html, 3.3) do, from writes that are left out,
reordered and torn at random.
"""
