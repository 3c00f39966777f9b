// Measures our programs beside others that do the same work: what counts are the ratios of one run.
// scripts/bench [GROUP...], a group being a file of scripts/benchmarks/groups: layers, start, ...; all unless named.
// --runs N: how often each contender runs, 3 unless given. --small: tiny inputs, to see that every row works.
// --peers DIR: a root folder of another system (a debootstrap of Debian sid) from which umoci, podman and the like run.
// --tree DIR: packs and unpacks that tree in place of the usual ones. --json FILE: a line for each figure.
import { chooseGroups } from './benchmarks/harness.mjs'

for (const group of chooseGroups()) await (await import(`./benchmarks/groups/${group}.mjs`)).default()
