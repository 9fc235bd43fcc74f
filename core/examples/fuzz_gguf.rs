//! Feeds damaged GGUF files to the reader of headers, configs and tokenizers: none may panic, or make
//! it allocate more than the file could need.
//!
//! `cargo run --release -p llavacode-core --example fuzz_gguf -- <small GGUF file> [inputs] [seed]`
//!
//! Every input is the file with some of its header's bytes changed, numbers replaced by extreme ones,
//! parts cut out or doubled, or its end cut off.

#![allow(unsafe_code, reason = "an allocator that counts is unsafe by its trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeMap,
    error::Error,
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use llavacode_core::{
    config::{DecoderConfig, FileEntry},
    tokenize::Tokenizer,
    weights::{Header, MemorySource, VerifiedReader},
};

/// Bytes the program may hold beside its input, in multiples of the input: its copy, what the parser
/// keeps of it, and the tokenizer's tables.
const MOST_PER_BYTE: usize = 24;
/// And at least: a regular expression's program, and the like.
const MOST_ALWAYS: usize = 8 << 20;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// SplitMix64 (Steele et al. 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: fuzz_gguf <small GGUF file> [inputs] [seed]")?;
    let inputs: usize = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let whole = fs::read(path)?;
    let header = header_end(&whole)?;
    let start = Instant::now();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut worst = 0.0f64;
    for number in 0..inputs {
        let mut random = Random(seed.wrapping_add(number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
        let bytes = damage(&whole, header, &mut random);
        let size = bytes.len();
        let before = HELD.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let outcome = match pollster::block_on(read(bytes)) {
            Ok(()) => "read whole".to_owned(),
            Err(error) => kind(&error),
        };
        let peak = PEAK.load(Ordering::Relaxed).saturating_sub(before);
        let allowed = MOST_ALWAYS + MOST_PER_BYTE * size;
        if peak > allowed {
            return Err(format!("input {number} of seed {seed}: {peak} bytes held for {size}").into());
        }
        worst = worst.max(peak as f64 / size.max(1) as f64);
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!(
        "{inputs} inputs in {:.0} s, no panic; at most {worst:.1} bytes held a byte of input",
        start.elapsed().as_secs_f64()
    );
    outcomes.iter().for_each(|(outcome, count)| println!("{count:>9}  {outcome}"));
    Ok(())
}

/// What loading a model reads before its weights.
async fn read(bytes: Vec<u8>) -> llavacode_core::Result<()> {
    let entry = FileEntry { bytes: bytes.len() as u64, sha256: None };
    let source = MemorySource::new("model.gguf", bytes);
    let mut ignored = |_| ();
    let mut reader = VerifiedReader::open(&source, "model.gguf", &entry, &mut ignored).await?;
    let header = Header::read(&mut reader).await?;
    DecoderConfig::from_gguf(&header)?;
    if let Some(metadata) = header.metadata() {
        let tokenizer = Tokenizer::from_gguf(metadata)?;
        tokenizer.decode(&tokenizer.encode("def f(x):\n    return x + 10  # ü"));
    }
    Ok(())
}

/// Where the header ends: the smallest cut that can still be read.
fn header_end(whole: &[u8]) -> Result<usize, Box<dyn Error>> {
    let name = b"blk.0.attn_q.weight";
    let at = whole.windows(name.len()).position(|window| window == name);
    Ok(at.ok_or("the file has no tensor blk.0.attn_q.weight")? + name.len() + 64)
}

fn damage(whole: &[u8], header: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..1 + random.below(4) {
        let end = header.min(bytes.len());
        let at = random.below(end);
        match random.below(6) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => {
                let extremes = [0u64, 1, 7, 255, 65_536, 1 << 31, 1 << 32, 1 << 40, u64::MAX / 2, u64::MAX];
                let number = extremes[random.below(extremes.len())].to_le_bytes();
                let room = number.len().min(bytes.len() - at);
                bytes[at..at + room].copy_from_slice(&number[..room]);
            }
            3 => bytes.truncate(at.max(1)),
            4 => drop(bytes.drain(at..(at + random.below(32)).min(end))),
            _ => {
                let piece = bytes[at..(at + random.below(32)).min(end)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// The error's variant.
fn kind(error: &llavacode_core::Error) -> String {
    let shown = format!("{error:?}");
    shown.split([' ', '{']).next().unwrap_or_default().to_owned()
}
