//! From burn's tensors to slices and back.

use std::ops::Deref;

use burn::{
    backend::{BackendTypes, Flex},
    tensor::{Device, Int, Tensor, TensorData},
};

/// A tensor of the CPU backend.
type Buffer = <Flex as BackendTypes>::FloatTensorPrimitive;

/// The floats of a tensor, one row after the other.
pub(super) struct Floats(Buffer);

impl Floats {
    /// # Panics
    /// If the tensor is not on the CPU backend or not of 32-bit floats.
    pub(super) fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        Self(rows_in_order(tensor.try_into_primitive::<Flex>().expect("these bodies run on CPU tensors")))
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.as_slice().expect("32-bit floats in order")
    }
}

/// The words of a tensor of integers.
pub(super) struct Words(Buffer);

impl Words {
    /// # Panics
    /// If the tensor is not on the CPU backend or not of unsigned 32-bit integers.
    pub(super) fn of(tensor: &Tensor<1, Int>) -> Self {
        let tensor = tensor.clone().try_into_primitive::<Flex>().expect("these bodies run on CPU tensors");
        Self(rows_in_order(tensor))
    }
}

impl Deref for Words {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        self.0.as_slice().expect("32-bit words in order")
    }
}

fn rows_in_order(tensor: Buffer) -> Buffer {
    if tensor.layout().contiguous_offsets().is_some() { tensor } else { tensor.to_contiguous() }
}

/// Lets `write` at a tensor's floats; in place, where nothing else holds them.
pub(super) fn update<const D: usize>(tensor: Tensor<D>, write: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let tensor = tensor.try_into_primitive::<Flex>().expect("these bodies run on CPU tensors");
    let whole = tensor.layout().contiguous_offsets().is_some_and(|(start, _)| start == 0);
    let mut tensor = if whole { tensor } else { tensor.to_contiguous() };
    write(tensor.storage_mut());
    Tensor::from_primitive::<Flex>(tensor)
}

/// A tensor of floats.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the floats of a tensor lie, and the tensor.
    fn touched(tensor: Tensor<4>) -> (usize, Tensor<4>) {
        let mut place = 0;
        let tensor = update(tensor, |floats| {
            floats[0] += 1.0;
            place = floats.as_ptr() as usize;
        });
        (place, tensor)
    }

    #[test]
    fn what_nothing_else_holds_is_written_in_place() {
        let (first, tensor) = touched(Tensor::zeros([1, 3, 50, 64], &Device::flex()));
        let (second, tensor) = touched(tensor);
        assert_eq!(first, second, "a copy was made");
        let held = tensor.clone();
        let (third, tensor) = touched(tensor);
        assert_ne!(second, third);
        let first_of = |tensor: Tensor<4>| Floats::of(tensor)[0];
        assert_eq!((first_of(held), first_of(tensor)), (2.0, 3.0));
    }
}
