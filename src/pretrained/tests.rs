//! Encoder folders in unusual but valid forms, and invalid ones.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use tch::{Device, nn};

use super::*;
use crate::advice::Advise;
use crate::model::{Bert, Init};

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden").join(name)
}

/// A folder with the tiny encoder, after `change` modified its tensors.
fn folder(change: impl FnOnce(&mut Tensors)) -> tempfile::TempDir {
    let bytes = std::fs::read(golden("bert_tiny_weights.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Tensors = file
        .iter()
        .map(|(name, view)| {
            (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        })
        .collect();
    change(&mut tensors);
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(golden("bert_tiny_config.json"), folder.path().join("config.json")).unwrap();
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    folder
}

/// All parameters, sorted by name.
fn values(folder: &Path) -> Vec<f32> {
    let pretrained = Pretrained::open(folder).unwrap();
    let vars = nn::VarStore::new(Device::Cpu);
    let _bert = Bert::new(&Init::new(vars.root(), 0), pretrained.config());
    pretrained.copy_into(&vars, "").unwrap();
    let sorted: BTreeMap<_, _> = vars.variables().into_iter().collect();
    sorted.values().flat_map(|all| Vec::<f32>::try_from(all.flatten(0, -1)).unwrap()).collect()
}

fn rename(tensors: &mut Tensors, new_name: impl Fn(&str) -> String) {
    *tensors = std::mem::take(tensors)
        .into_iter()
        .map(|(name, tensor)| (new_name(&name), tensor))
        .collect();
}

#[test]
fn the_names_of_models_with_a_head_and_older_ones_will_do() {
    let expected = values(folder(|_| {}).path());
    let with_head = folder(|tensors| {
        rename(tensors, |name| format!("bert.{name}"));
        let bias = (Dtype::F32, vec![1], vec![0; 4]);
        tensors.insert("cls.predictions.bias".into(), bias);
    });
    assert_eq!(values(with_head.path()), expected);
    let ignored = ["bert.pooler.dense.bias", "bert.pooler.dense.weight", "cls.predictions.bias"];
    assert_eq!(Pretrained::open(with_head.path()).unwrap().ignored(), ignored);
    let older = |name: &str| {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("Norm.bias", "Norm.beta")
    };
    let plain = folder(|tensors| rename(tensors, older));
    assert_eq!(values(plain.path()), expected);
    let both = folder(|tensors| rename(tensors, |name| format!("bert.{}", older(name))));
    assert_eq!(values(both.path()), expected);
}

#[test]
fn halves_become_float32() {
    let expected = values(folder(|_| {}).path());
    type Narrow = fn(f32) -> [u8; 2];
    let narrow: [(Dtype, Narrow, f32); 2] = [
        (Dtype::F16, |value| half::f16::from_f32(value).to_le_bytes(), 5e-4),
        (Dtype::BF16, |value| half::bf16::from_f32(value).to_le_bytes(), 4e-3),
    ];
    for (dtype, narrow, tolerance) in narrow {
        let folder = folder(|tensors| {
            for tensor in tensors.values_mut() {
                let numbers = tensor.2.chunks_exact(4);
                let numbers = numbers.map(|b| narrow(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
                *tensor = (dtype, tensor.1.clone(), numbers.flatten().collect());
            }
        });
        for (found, expected) in values(folder.path()).iter().zip(&expected) {
            let difference = (found - expected).abs();
            assert!(difference <= tolerance * expected.abs().max(1e-2), "{found} for {expected}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    const NAME: &str = "encoder.layer.1.output.dense.bias";
    let problem = |folder: &Path| match Pretrained::open(folder) {
        Ok(_) => panic!("{} was accepted", folder.display()),
        Err(error) => {
            let hints = error.advice().iter().map(crate::cli::hint).collect::<String>();
            format!("{}\n  hint: {hints}", crate::chain::chain(&error))
        }
    };
    let absent = folder(|tensors| drop(tensors.remove(NAME)));
    assert!(problem(absent.path()).contains(&format!("tensor `{NAME}` is absent")));
    let shape = folder(|tensors| {
        tensors.insert(NAME.into(), (Dtype::F32, vec![4, 8], vec![0; 128]));
    });
    let found = problem(shape.path());
    assert!(found.contains(&format!("`{NAME}`: expected [32], found [4, 8]")), "{found}");
    let integers = folder(|tensors| {
        tensors.insert(NAME.into(), (Dtype::I64, vec![32], vec![0; 256]));
    });
    assert!(problem(integers.path()).contains("expected F32, F16 or BF16, found I64"));
    // Sizes beyond any memory are refused at the first absent tensor.
    let large = folder(|_| {});
    let config = large.path().join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let layers = "\"num_hidden_layers\": ";
    std::fs::write(&config, text.replace(&format!("{layers}2"), &format!("{layers}16000000")))
        .unwrap();
    assert!(problem(large.path()).contains("`encoder.layer.2.attention.self.query.weight`"));
    let garbage = folder(|_| {});
    let weights = garbage.path().join("model.safetensors");
    for bytes in [&b""[..], b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", b"no tensors at all"] {
        std::fs::write(&weights, bytes).unwrap();
        assert!(problem(garbage.path()).contains("is not a safetensors file"));
    }
    std::fs::remove_file(&weights).unwrap();
    assert!(problem(garbage.path()).contains("hint: the folder of an encoder holds"));
    std::fs::write(garbage.path().join("pytorch_model.bin"), "").unwrap();
    let found = problem(garbage.path());
    assert!(found.contains("is a pickle") && found.contains("save_pretrained"), "{found}");
    std::fs::write(garbage.path().join("model.safetensors.index.json"), "").unwrap();
    assert!(problem(garbage.path()).contains("spread over several files"));
    std::fs::remove_file(garbage.path().join("config.json")).unwrap();
    assert!(problem(garbage.path()).contains("config.json: no such file or folder"));
}

#[test]
fn texts_are_cut_and_padded_and_vocabularies_checked() {
    let folder = folder(|_| {});
    let open = |max_len| Pretrained::open(folder.path()).unwrap().tokenizer(max_len);
    let problem = |max_len| open(max_len).err().unwrap().to_string();
    assert!(problem(5).contains("neither `tokenizer.json` nor `vocab.txt`"));
    let vocabulary = folder.path().join("vocab.txt");
    std::fs::write(&vocabulary, "[PAD]\n[UNK]\n[CLS]\nwas\ngood\n").unwrap();
    assert!(problem(5).contains("the token `[SEP]` is absent"));
    std::fs::write(&vocabulary, "[PAD]\n[UNK]\n[CLS]\n[SEP]\nwas\ngood\n##ness\n").unwrap();
    assert!(problem(2).contains("2 tokens for a text") && problem(65).contains("reads 3 to 64"));
    let texts = ["Was goodness".to_owned(), "was good was good".to_owned(), String::new()];
    let Tokenized { text_bert, n_cut } = open(5).unwrap().encode(&texts).unwrap();
    let rows = [
        [[2, 4, 5, 6, 3], [1; 5], [0; 5]],
        [[2, 4, 5, 4, 3], [1; 5], [0; 5]],
        [[2, 3, 0, 0, 0], [1, 1, 0, 0, 0], [0; 5]],
    ];
    assert_eq!((text_bert, n_cut), (ndarray::arr3(&rows), 1));
    // If case is preserved, `Was` is unknown.
    let settings = folder.path().join("tokenizer_config.json");
    std::fs::write(&settings, "{\"do_lower_case\": false}").unwrap();
    let cased = open(5).unwrap().encode(&texts).unwrap().text_bert;
    assert_eq!(cased[[0, 0, 1]], 1);
    for (text, said) in [
        ("{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", "only `BertTokenizer`"),
        ("{\"do_basic_tokenize\": false}", "`do_basic_tokenize`"),
        ("{", "tokenizer_config.json: "),
    ] {
        std::fs::write(&settings, text).unwrap();
        assert!(problem(5).contains(said), "{}", problem(5));
    }
    std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    assert!(problem(5).contains("tokenizer.json: "));
}
