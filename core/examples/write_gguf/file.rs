//! The file: header, pairs, tensors' entries, then the tensors one after the other. Nothing larger
//! than a piece of a tensor is held.

use std::io::{self, Write};

use super::{
    blocks::Type,
    metadata::Value,
    model::{Model, Tensor},
    random::Random,
};

/// Tensors begin at multiples of it.
const ALIGNMENT: u64 = 32;
/// Blocks made before they are written.
const PIECE: u64 = 4096;

/// What a tensor is made of.
pub(crate) enum Content {
    /// Random numbers about `mean` of a standard deviation.
    Random { random: Random, mean: f32, deviation: f32 },
    /// These, in the file's order.
    Values(Vec<f32>),
}

impl Content {
    /// What a tensor of a made-up model is made of.
    pub(crate) fn random(model: &Model, seed: u64, tensor: &Tensor) -> Self {
        let (mean, deviation) = model.spread(tensor.part);
        Self::Random { random: Random::of(seed, &tensor.name), mean, deviation }
    }
}

/// Writes a model; `content` says what a tensor is made of.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write(
    out: &mut impl Write,
    pairs: &[(String, Value)],
    tensors: &[(Tensor, Type)],
    content: impl Fn(&Tensor) -> Content,
) -> io::Result<()> {
    let mut header = Vec::new();
    header.extend(b"GGUF");
    header.extend(3u32.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend((pairs.len() as u64).to_le_bytes());
    for (key, value) in pairs {
        put_text(&mut header, key);
        put_value(&mut header, value);
    }
    let mut offset = 0;
    for (tensor, kind) in tensors {
        put_text(&mut header, &tensor.name);
        header.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().for_each(|size| header.extend(size.to_le_bytes()));
        header.extend(kind.number().to_le_bytes());
        header.extend(u64::to_le_bytes(offset));
        offset += (blocks(tensor, *kind) * kind.bytes()).next_multiple_of(ALIGNMENT);
    }
    header.resize(header.len().next_multiple_of(ALIGNMENT as usize), 0);
    out.write_all(&header)?;
    for (tensor, kind) in tensors {
        write_tensor(out, tensor, *kind, content(tensor))?;
    }
    out.flush()
}

/// Writes a tensor's blocks, and nought up to where the next begins.
fn write_tensor(out: &mut impl Write, tensor: &Tensor, kind: Type, mut content: Content) -> io::Result<()> {
    let (bytes, values, all) = (kind.bytes() as usize, kind.values() as usize, blocks(tensor, kind));
    let mut piece = Vec::new();
    for start in (0..all).step_by(PIECE as usize) {
        piece.resize((all - start).min(PIECE) as usize * bytes, 0);
        for (number, block) in (start as usize..).zip(piece.chunks_mut(bytes)) {
            match &mut content {
                Content::Random { random, mean, deviation } => {
                    kind.random_block(*mean, *deviation, random, block);
                }
                Content::Values(of) => kind.block_of(&of[number * values..][..values], block),
            }
        }
        out.write_all(&piece)?;
    }
    let end = all * kind.bytes();
    out.write_all(&[0; ALIGNMENT as usize][..(end.next_multiple_of(ALIGNMENT) - end) as usize])
}

fn blocks(tensor: &Tensor, kind: Type) -> u64 {
    tensor.shape.iter().product::<u64>() / kind.values()
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    let list = |out: &mut Vec<u8>, kind: u32, length: usize| {
        out.extend(9u32.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend((length as u64).to_le_bytes());
    };
    match value {
        Value::U32(number) => {
            out.extend(4u32.to_le_bytes());
            out.extend(number.to_le_bytes());
        }
        Value::F32(number) => {
            out.extend(6u32.to_le_bytes());
            out.extend(number.to_le_bytes());
        }
        Value::Bool(yes) => {
            out.extend(7u32.to_le_bytes());
            out.push(u8::from(*yes));
        }
        Value::Text(text) => {
            out.extend(8u32.to_le_bytes());
            put_text(out, text);
        }
        Value::Texts(texts) => {
            list(out, 8, texts.len());
            texts.iter().for_each(|text| put_text(out, text));
        }
        Value::Numbers(numbers) => {
            list(out, 5, numbers.len());
            numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
        }
    }
}
