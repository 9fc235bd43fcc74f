//! placeholder
use super::*;
pub(super) struct K {
    pub(super) kernels: std::collections::BTreeMap<String, KernelSpeed>,
    pub(super) ceilings: Option<Ceilings>,
}
pub(super) async fn measure<H: Host>(_e: &Engine<H>) -> Result<K> {
    Ok(K { kernels: Default::default(), ceilings: None })
}
