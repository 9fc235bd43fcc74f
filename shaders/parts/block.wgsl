// The blocks of the weight formats.

// Neighbouring values of a row that share a scale; also what a thread of the matrix-vector kernels
// takes at a time, whatever the format.
const BLOCK = 32u;
