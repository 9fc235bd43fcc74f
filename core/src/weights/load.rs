//! Streams a checkpoint onto a device, one tensor after the other in the file's own order, so
//! that a single pass both loads and verifies.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    Adapter, ByteSource, ElementType, Header, Plan, VerifiedReader, Weights,
    plan::Kind,
    values::{ValueDecoder, Values},
};
use crate::{
    Error, Result,
    config::{FileEntry, WeightFormat},
    quant::{Matrix, part_bytes, part_rows},
};

/// Loads a safetensors or GGUF file. `plan` says what is needed once the header is known; tensors beyond
/// the plan are hashed and dropped. At most one parameter's tensors are held at a time, as long as
/// the file keeps them together; of a large tensor, as many rows as one buffer of the device takes.
///
/// # Errors
/// [`Error::Truncated`] and [`Error::HashMismatch`] if the file is not the manifest's: they come
/// before any complaint about its content, which a damaged file would cause as well. Then
/// [`Error::Format`], [`Error::MissingTensor`], [`Error::ShapeMismatch`],
/// [`Error::UnsupportedDType`], and what `plan` says.
pub async fn load_weights<S: ByteSource>(
    source: &S,
    file: &str,
    entry: &FileEntry,
    plan: impl FnOnce(&Header) -> Result<Plan>,
    device: &Device,
    on_read: &mut dyn FnMut(u64),
) -> Result<Weights> {
    load_adapted(source, file, entry, plan, None, device, on_read).await
}

/// [`load_weights`], with an adapter's products added to the matrices they belong to.
///
/// # Errors
/// As there, and [`Error::UnsupportedConfig`] if a product belongs to no matrix.
pub async fn load_adapted<S: ByteSource>(
    source: &S,
    file: &str,
    entry: &FileEntry,
    plan: impl FnOnce(&Header) -> Result<Plan>,
    adapter: Option<&Adapter>,
    device: &Device,
    on_read: &mut dyn FnMut(u64),
) -> Result<Weights> {
    let mut reader = VerifiedReader::open(source, file, entry, on_read).await?;
    let weights = stream(&mut reader, plan, adapter, device, part_bytes(device)).await;
    if let Err(error @ Error::Read { .. }) = weights {
        return Err(error);
    }
    reader.finish().await?;
    weights
}

/// `part`: bytes of values that go to the device at once, where a tensor has more.
async fn stream<S: ByteSource>(
    reader: &mut VerifiedReader<'_, S>,
    plan: impl FnOnce(&Header) -> Result<Plan>,
    adapter: Option<&Adapter>,
    device: &Device,
    part: usize,
) -> Result<Weights> {
    let header = Header::read(reader).await?;
    let plan = plan(&header)?;
    adapter.map_or(Ok(()), |adapter| adapter.check(&plan))?;
    let mut assembly = Assembly::new(&plan, &header)?;
    let mut weights = Weights::new(header.file(), &plan.prefix);
    for tensor in header.in_file_order() {
        let Some(place) = assembly.places.remove(&tensor) else { continue };
        let parameter = &plan.parameters[place.parameter];
        let shape = &parameter.parts[place.part].shape;
        let (element, stored) = header.expect(&tensor, shape)?;
        let (rows, cols) = (shape[0], shape.get(1).copied().unwrap_or(1));
        reader.read(stored.place.start - reader.position(), |_| ()).await?;
        let format = parameter.format(&header);
        let product = adapter.and_then(|adapter| adapter.product(&tensor, &plan.prefix));
        // What is added to is read as floats and rounded afterwards.
        let read_as = product.map_or(format, |_| WeightFormat::F32);
        let order = stored.rows.plain(rows);
        if let (Kind::Matrix { .. }, [_], None) = (parameter.kind, parameter.parts.as_slice(), &order) {
            let most = part_rows(part, cols, format);
            for first in (0..rows).step_by(most) {
                let rows = most.min(rows - first);
                let mut values = read_rows(reader, element, read_as, rows, cols).await?;
                if let Some(product) = product {
                    values = product.add(values, first, format);
                }
                put_rows(parameter.name(), [rows, cols], values, &mut weights, device);
            }
            continue;
        }
        let mut values = read_rows(reader, element, read_as, rows, cols).await?;
        if let Some(order) = order {
            values = values.reorder_rows(&order, cols);
        }
        if let Some(product) = product {
            values = product.add(values, 0, format);
        }
        let Some(values) = assembly.put(&place, values) else { continue };
        match (parameter.kind, values) {
            (Kind::Vector { len }, Values::Floats(values)) => {
                let put = |values| Tensor::from_data(TensorData::new(values, [len]), device);
                let vector = device.memory_persistent_allocations(values, put);
                weights.put_vector(parameter.name(), vector);
            }
            (Kind::Vector { .. }, Values::Blocks(..)) => debug_assert!(false, "a vector is of floats"),
            (Kind::Matrix { rows, cols, .. }, values) => {
                put_rows(parameter.name(), [rows, cols], values, &mut weights, device);
            }
        }
    }
    Ok(weights)
}

/// The tensor's next rows.
pub(super) async fn read_rows<S: ByteSource>(
    reader: &mut VerifiedReader<'_, S>,
    element: ElementType,
    format: WeightFormat,
    rows: usize,
    cols: usize,
) -> Result<Values> {
    let blocks = rows as u64 * cols as u64 / element.values() as u64;
    let mut decoder = ValueDecoder::new(element, Values::new(format, rows, cols));
    reader.read(blocks * element.bytes() as u64, |piece| decoder.push(piece)).await?;
    Ok(decoder.finish())
}

/// Puts a matrix, or its next rows, on the device, in buffers of just their size: a browser's WebGPU
/// makes one buffer an allocation, and what is pooled for activations is rounded up.
fn put_rows(name: &str, [rows, cols]: [usize; 2], values: Values, weights: &mut Weights, device: &Device) {
    let put = |values| match values {
        Values::Floats(values) => Matrix::from_values(values, rows, cols, WeightFormat::F32, device),
        Values::Blocks(blocks, format) => Matrix::from_blocks(blocks, rows, cols, format, device),
    };
    weights.put_matrix(name, device.memory_persistent_allocations(values, put));
}

/// Where a tensor goes.
struct Place {
    parameter: usize,
    part: usize,
}

/// Tensors that wait for the others of their parameter.
struct Assembly {
    places: HashMap<String, Place>,
    waiting: Vec<Vec<Option<Values>>>,
}

impl Assembly {
    /// Checks every tensor of the plan against the header before any is read.
    fn new(plan: &Plan, header: &Header) -> Result<Self> {
        let mut places = HashMap::new();
        for (parameter, wanted) in plan.parameters.iter().enumerate() {
            for (part, tensor) in wanted.parts.iter().enumerate() {
                header.expect(&tensor.tensor, &tensor.shape)?;
                places.insert(tensor.tensor.clone(), Place { parameter, part });
            }
        }
        let waiting = plan.parameters.iter().map(|p| vec![None; p.parts.len()]).collect();
        Ok(Self { places, waiting })
    }

    /// Keeps a tensor; gives the parameter's values, parts in order, once it is the last.
    fn put(&mut self, place: &Place, values: Values) -> Option<Values> {
        let parts = &mut self.waiting[place.parameter];
        parts[place.part] = Some(values);
        if parts.iter().any(Option::is_none) {
            return None;
        }
        let mut parts = std::mem::take(parts).into_iter().flatten();
        let mut all = parts.next()?;
        parts.for_each(|part| all.append(part));
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::reference,
        weights::{MemorySource, Tensors},
    };

    /// A safetensors file of one matrix.
    fn file(values: &[f32], rows: usize, cols: usize) -> Vec<u8> {
        let end = size_of_val(values);
        let header =
            format!(r#"{{"table":{{"dtype":"F32","shape":[{rows},{cols}],"data_offsets":[0,{end}]}}}}"#);
        let numbers = values.iter().flat_map(|value| value.to_le_bytes());
        (header.len() as u64).to_le_bytes().into_iter().chain(header.bytes()).chain(numbers).collect()
    }

    /// The matrix as it is loaded in parts of so many bytes: how many parts, and its values.
    fn loaded(
        bytes: &[u8],
        [rows, cols]: [usize; 2],
        format: WeightFormat,
        part: usize,
    ) -> (usize, Vec<f32>) {
        let source = MemorySource::new("model", bytes);
        let entry = FileEntry { bytes: bytes.len() as u64, sha256: None };
        let table = |mut tensors: Tensors<'_>| tensors.matrix("table", [rows, cols], format);
        let plan = |_: &Header| Ok(Tensors::plan("", table));
        let mut weights = pollster::block_on(async {
            let mut on_read = |_| ();
            let mut reader = VerifiedReader::open(&source, "model", &entry, &mut on_read).await?;
            stream(&mut reader, plan, None, &Device::flex(), part).await
        })
        .expect("it loads");
        let bits = if format.has_blocks(cols) { format.bits() } else { 32.0 };
        assert_eq!(weights.bytes(), (rows as f64 * cols as f64 * bits / 8.0).ceil() as u64);
        let matrix = table(Tensors::of(&mut weights)).expect("it is there");
        assert_eq!(matrix.shape(), [rows, cols]);
        let parts = if let Matrix::Split(split) = &matrix { split.parts.len() } else { 1 };
        (parts, reference::dense(&matrix).into_data().iter::<f32>().collect())
    }

    #[test]
    fn a_matrix_is_the_same_in_how_many_parts_it_comes() {
        let (rows, cols) = (21, 64);
        let values: Vec<f32> = (0..rows * cols).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect();
        let bytes = file(&values, rows, cols);
        for format in [WeightFormat::F32, WeightFormat::Q8, WeightFormat::Q4, WeightFormat::Q4_1] {
            let (one, whole) = loaded(&bytes, [rows, cols], format, usize::MAX);
            assert_eq!(one, 1);
            for most in [1, 4, 20] {
                let part = (1..).find(|&part| part_rows(part, cols, format) == most).expect("a size");
                let (parts, same) = loaded(&bytes, [rows, cols], format, part);
                assert_eq!((parts, &same), (rows.div_ceil(most), &whole), "{format:?} by {most} rows");
            }
        }
    }
}
