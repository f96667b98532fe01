//! Values recorded from published PyTorch code (`fixtures/README.md`), and differences from them. The
//! trainer's unit tests also use this file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use tch::Tensor;

/// A file below `fixtures/golden`.
pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden").join(name)
}

/// The document of a case.
pub fn json(name: &str) -> Value {
    let path = golden(&format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The tensors of a case, on the CPU.
pub fn on_cpu(name: &str) -> BTreeMap<String, Tensor> {
    let path = golden(&format!("{name}.safetensors"));
    Tensor::read_safetensors(path).unwrap().into_iter().collect()
}

/// The recording's formula for parameters, inputs and probe vectors, on the CPU.
pub fn formula_on_cpu(seed: u64, index: u64, shape: &[i64], offset: f64, scale: f64) -> Tensor {
    fn mix(mut z: u64) -> u64 {
        z ^= z >> 30;
        z = z.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^= z >> 27;
        z = z.wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    let key = mix(seed * 65536 + index);
    let n = shape.iter().product::<i64>() as u64;
    let values: Vec<f32> = (1..=n)
        .map(|i| {
            let z = mix(key.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
            let u = (z >> 11) as f64 * 2.0_f64.powi(-53);
            (offset + scale * (2.0 * u - 1.0)) as f32
        })
        .collect();
    Tensor::from_slice(&values).view(shape)
}

/// The largest entry of either sign.
pub fn max_abs(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

/// The largest difference seen per quantity, printed at the end of a test.
pub struct Worst {
    case: String,
    seen: BTreeMap<&'static str, f64>,
}

impl Worst {
    pub fn new(case: &str) -> Worst {
        Worst { case: case.to_owned(), seen: BTreeMap::new() }
    }

    pub fn check(&mut self, quantity: &'static str, place: &str, difference: f64, tolerance: f64) {
        assert!(
            difference <= tolerance,
            "{}: {place}: {quantity} differs by {difference:e}, allowed are {tolerance:e}",
            self.case
        );
        let worst = self.seen.entry(quantity).or_insert(0.0);
        *worst = worst.max(difference);
    }
}

impl Drop for Worst {
    fn drop(&mut self) {
        for (quantity, difference) in &self.seen {
            println!("{}: largest difference of {quantity}: {difference:.2e}", self.case);
        }
    }
}
