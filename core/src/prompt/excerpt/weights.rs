//! Written by `llavacode-train excerpt`.

use super::Weights;

/// What was learned.
pub const WEIGHTS: Weights = Weights {
    inside: [
        3.112,  // is like the cursor's line
        2.064,  // the line before it is like that before the cursor's
        1.524,  // the second before it is like that
        1.049,  // the third before it is like that
        2.575,  // the line behind it is like that behind the cursor's
        1.074,  // the second behind it is like that
        4.415,  // has what stands right before the cursor
        1.563,  // has a name that stands nowhere around the cursor
        1.229,  // begins with the same word
        0.655,  // is indented alike
        0.734,  // its file is in the same folder
        -0.591, // how far down its chunk ranks
    ],
    beginning: [
        0.000,  // is like the cursor's line
        3.311,  // the line before it is like that before the cursor's
        1.704,  // the second before it is like that
        1.059,  // the third before it is like that
        3.033,  // the line behind it is like that behind the cursor's
        1.346,  // the second behind it is like that
        0.000,  // has what stands right before the cursor
        1.729,  // has a name that stands nowhere around the cursor
        0.000,  // begins with the same word
        0.975,  // is indented alike
        0.694,  // its file is in the same folder
        -0.637, // how far down its chunk ranks
    ],
};
