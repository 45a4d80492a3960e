// Package node is one agency's node: it opens the data directory, unlocks the keys, starts the parts and connects
// them, and ends them in order. It is the only place that wires: the packages below it know each other through small
// interfaces and nothing below it knows this package.
//
// Founding, inviting and joining are here too, because they are the moments at which keys and directories are made.
// Nothing unique is ever made silently: Init and Join make, Open refuses what is not there.
package node
