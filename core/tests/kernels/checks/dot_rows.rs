//! Products of one vector with many of 8 bits a number, and an index's embeddings on the device.

use llavacode_core::{
    config::ChunkingConfig,
    index::{Index, OnDevice, TextHash, Vectors},
};

use super::*;

/// Random numbers, and sizes at which a workgroup is not full.
pub(crate) async fn dot_rows(bench: &mut Bench) {
    for (rows, width) in [(1, 4), (31, 32), (33, 36), (bench.size(1..=500), 4 * bench.size(1..=400))] {
        let values: Vec<i8> = (0..rows * width).map(|_| bench.size(0..=254) as i8).collect();
        let scales: Vec<f32> = bench.values(rows).iter().map(|scale| scale / 127.0).collect();
        let [x, x_cpu] = bench.floats([width]);
        let [on_device, on_cpu] =
            [&bench.device, &bench.cpu].map(|device| ByteRows::new(&values, &scales, device));
        bench.poison(rows);
        let what = format!("dot_rows {rows}x{width}");
        let magnitude = (width as f64).sqrt() / 4.0;
        let (found, meant) = (kernel::dot_rows(x, &on_device), reference::dot_rows(x_cpu, &on_cpu));
        bench.compare_sums(&what, found, meant, magnitude).await;
    }
}

/// The device follows an index that grows and changes, over more than a page of it.
pub(crate) async fn index_on_device(bench: &mut Bench) {
    const WIDTH: usize = 8;
    let mut index = Index::new(ChunkingConfig { lines: 1, stride: 1 });
    let mut on_device = OnDevice::default();
    let query = bench.values(WIDTH);
    let found = on_device.products(&index, &query, &bench.device).await.expect("the device works");
    assert_eq!(found, None, "nothing is embedded yet");
    // The last of these writes into the first page again, and the one before ends in the second.
    for (path, lines) in [("a.py", 3), ("b.py", 8000), ("c.py", 1000), ("a.py", 2)] {
        let name = bench.random();
        let text: String = (0..lines).map(|line| format!("name_{name}_{line}\n")).collect();
        index.update_file(path, &text);
        let parts: Vec<TextHash> = index.pending_parts_of(path).map(|(hash, _)| hash).collect();
        assert_eq!(parts.len(), lines, "a part a line");
        for part in parts {
            index.set_vectors(part, &Vectors::new(&bench.values(WIDTH), []));
        }
        let found = on_device.products(&index, &query, &bench.device).await.expect("the device works");
        let (found, meant) =
            (found.expect("there are embeddings"), index.products(&query).expect("here too"));
        assert!(found.len() >= meant.len(), "{} products of {}", found.len(), meant.len());
        for (number, (found, meant)) in found.iter().zip(&meant).enumerate() {
            assert!(
                (found - meant).abs() < 1e-4,
                "part {number} of {path}: {found}, not {meant} (seed {})",
                bench.seed
            );
        }
    }
}
