//! What the device can do at most.

use llavacode_core::kernel::ceilings as measured;

use super::*;

/// The measurements measure something, and nothing beats its ceiling by an order of magnitude.
pub(crate) async fn ceilings(bench: &mut Bench, now: impl Fn() -> f64) {
    let device = bench.device.clone();
    let read = measured::read(&device, &now).await.expect("the device reads");
    let multiply_add = measured::multiply_add(&device, &now).await.expect("the device computes");
    assert!(read.bytes_per_second().is_finite() && read.bytes_per_second() > 0.0);
    assert!(multiply_add.flops_per_second().is_finite() && multiply_add.flops_per_second() > 0.0);
    for format in FORMATS {
        let prefill = measured::linear(&device, &now, format, 64, 256, 256).await.expect("prefill runs");
        let fraction = prefill.flops_per_second() / multiply_add.flops_per_second();
        // On a busy machine two measurements differ; by an order of magnitude they must not.
        assert!(fraction > 0.0 && fraction < 10.0, "{format:?}: {fraction} of the arithmetic's ceiling");
    }
}
