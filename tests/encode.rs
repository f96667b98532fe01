//! `almt-data encode` as a user calls it, with a tiny random encoder.

use std::path::Path;

use almt_data::corpus::column::ColumnKind;
use almt_data::corpus::{Modality, SplitName};
use almt_data::store::Store;

use crate::golden_bert::tiny_folder;
use crate::support::{almt, files, real_data, synthetic_store};

/// A vocabulary for the tiny encoder's hundred tokens.
pub fn vocabulary() -> String {
    let mut tokens: Vec<String> =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(String::from).to_vec();
    tokens.extend(('a'..='z').map(String::from));
    tokens.extend(('a'..='z').map(|letter| format!("##{letter}")));
    tokens.extend(('0'..='9').map(String::from));
    tokens.resize_with(100, || "[unused]".into());
    tokens.join("\n")
}

/// Puts the encoder, with a vocabulary of letters, into `tiny-bert` below a folder.
pub fn tiny_encoder(folder: &Path) {
    if folder.join("tiny-bert").exists() {
        return;
    }
    let tiny = tiny_folder(folder);
    std::fs::write(tiny.join("vocab.txt"), vocabulary()).unwrap();
}

/// A folder with the encoder and a store.
fn prepare() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tiny_encoder(folder.path());
    synthetic_store(folder.path(), "mosi", "20");
    folder
}

fn open(folder: &Path, name: &str) -> Store {
    Store::open(&folder.join(name)).unwrap()
}

const FROM_RAW_TEXT: [&str; 6] =
    ["--bert", "tiny-bert", "--text-from", "raw_text", "--max-len", "12"];

fn encode(folder: &Path, from: &str, to: &str, more: &[&str]) -> crate::support::Call {
    almt(folder, &[&["encode", from, "-o", to], &FROM_RAW_TEXT[..], more].concat())
}

/// As where only the file of one split is to be had.
#[test]
fn a_store_of_a_single_split_is_trained_on_by_folds() {
    let folder = prepare();
    let folder = folder.path();
    let pickle = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pickles/misa-numpy2.pkl");
    let convert = ["--split", "valid", "--dataset", "mosi", "-o", "words.h5"];
    let call =
        almt(folder, &[&["convert", &*pickle.to_string_lossy()], &convert[..]].concat()).ok();
    let next = "next: `almt-data validate words.h5`, `almt-data encode words.h5 --bert FOLDER";
    assert!(call.stderr().contains(next), "{}", call.explain());
    let call = encode(folder, "words.h5", "one.h5", &[]).ok();
    let next = "next: `almt-data validate one.h5`, `almt-data split one.h5 --ratio 0.7,0.1,0.2";
    assert!(call.stderr().contains(next), "{}", call.explain());
    almt(folder, &["split", "one.h5", "--k-fold", "3", "--by", "segment", "-o", "cv.json"]).ok();
    let train = ["train", "--store", "one.h5", "--epochs", "1"];
    almt(folder, &[&train[..], &["--manifest", "cv.json", "--out", "all"]].concat()).ok();
    let text = ["--manifest", "cv.json", "--modalities", "text", "--out", "text"];
    almt(folder, &[&train[..], &text].concat()).ok();
    almt(folder, &train).fails_with(&["one.h5", "split `train` is absent or empty"]);
}

#[test]
fn text_is_computed_and_everything_else_stays() {
    let folder = prepare();
    let folder = folder.path();
    encode(folder, "mosi.h5", "new.h5", &[]).ok();
    let (old, new) = (open(folder, "mosi.h5"), open(folder, "new.h5"));
    let of_text = [ColumnKind::Features(Modality::Text), ColumnKind::TextBert];
    let columns = old.manifest().columns.iter();
    for column in columns.filter(|column| !of_text.contains(&column.id.kind)) {
        assert_eq!(new.manifest().column(&column.id), Some(column));
    }
    let encoder = new.manifest().text_encoder.clone().unwrap();
    assert_eq!((encoder.name.as_str(), encoder.source.as_str()), ("tiny-bert", "raw_text"));
    let weights = std::fs::read(folder.join("tiny-bert/model.safetensors")).unwrap();
    assert_eq!(encoder.blake3, blake3_of(&weights));
    assert!(new.manifest().notes.iter().any(|note| note.contains("raw_text by the encoder")));
    for split in SplitName::ALL {
        let n_samples = old.ids(split).len();
        let text = new.features(split, Modality::Text).unwrap().unwrap();
        assert_eq!(text.dim(), (n_samples, 12, 32));
        // Layer norm comes last: no hidden state is all zero, padding included.
        assert!(text.rows().into_iter().all(|row| row.iter().any(|value| *value != 0.0)));
    }
    let n_cut = |note: &&String| note.contains("texts were cut at 12 tokens");
    assert!(new.manifest().notes.iter().filter(n_cut).count() > 0);
    almt(folder, &["validate", "new.h5"]).ok();
    almt(folder, &["train", "--store", "new.h5", "--epochs", "1", "--batch-size", "8"]).ok();
    // The same again, in the other format and from the tokens that were made.
    encode(folder, "new.h5", "again.arrow", &[]).ok();
    let tokens = ["--text-from", "text_bert", "--bert", "tiny-bert"];
    almt(folder, &[&["encode", "new.h5", "-o", "tokens.arrow"], &tokens[..]].concat()).ok();
    for name in ["again.arrow", "tokens.arrow"] {
        assert_eq!(open(folder, name).manifest().digest, new.manifest().digest, "{name}");
    }
    encode(folder, "new.h5", "new.h5", &["--overwrite"]).fails_with(&["would replace the input"]);
    encode(folder, "mosi.h5", "new.h5", &[]).fails_with(&["already exists"]);
    let left: Vec<String> =
        files(folder).into_iter().filter(|name| name.ends_with(".part")).collect();
    assert_eq!(left, [""; 0]);
}

fn blake3_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[test]
fn what_cannot_be_encoded_is_said() {
    let folder = prepare();
    let folder = folder.path();
    let call = |more: &[&str]| {
        almt(
            folder,
            &[&["encode", "mosi.h5", "-o", "new.h5", "--bert", "tiny-bert"], more].concat(),
        )
    };
    // The store has the tokens of a vocabulary of 30522.
    call(&[]).fails_with(&["/train/text_bert: token ", "the encoder knows 0 to 99"]);
    call(&["--text-from", "raw_text", "--max-len", "65"]).fails_with(&["reads 3 to 64"]);
    assert_eq!(call(&["--text-from", "text_bert", "--max-len", "9"]).code(), 2);
    assert_eq!(call(&["--batch-size", "0"]).code(), 2);
    std::fs::remove_file(folder.join("tiny-bert/vocab.txt")).unwrap();
    call(&["--text-from", "raw_text"]).fails_with(&["neither `tokenizer.json` nor `vocab.txt`"]);
    std::fs::write(folder.join("tiny-bert/model.safetensors"), "").unwrap();
    call(&["--text-from", "raw_text"]).fails_with(&["is not a safetensors file"]);
    assert!(!folder.join("new.h5").exists());
}

#[test]
fn a_store_of_words_alone_gets_text() {
    let Some(pickle) = real_data("mosi_valid_misa.pkl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tiny = tiny_folder(folder);
    std::fs::write(tiny.join("vocab.txt"), vocabulary()).unwrap();
    let pickle = pickle.to_string_lossy();
    almt(folder, &["convert", &pickle, "--split", "valid", "-o", "mosi.arrow"]).ok();
    assert!(
        open(folder, "mosi.arrow").features(SplitName::Valid, Modality::Text).unwrap().is_none()
    );
    let models = |store: &str| almt(folder, &["models", "--store", store]).ok().stdout();
    assert!(models("mosi.arrow").contains("`train --text bert` makes them"));
    almt(folder, &["encode", "mosi.arrow", "--bert", "tiny-bert", "-o", "new.h5"]).ok();
    assert!(!models("new.h5").contains("no text features"));
    let text = open(folder, "new.h5").features(SplitName::Valid, Modality::Text).unwrap().unwrap();
    assert_eq!(text.dim(), (229, 50, 32));
}

fn json(folder: &Path, path: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join(path)).unwrap()).unwrap()
}

#[test]
fn an_encoder_in_the_loop_reads_texts_as_encode_does() {
    let folder = prepare();
    let folder = folder.path();
    encode(folder, "mosi.h5", "new.h5", &[]).ok();
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    let train = |more: &[&str]| {
        let bert = ["train", "--text", "bert", "--bert", "tiny-bert", "--lr", "1e-3"];
        almt(folder, &[&bert[..], &["--epochs", "2", "--batch-size", "8"], more].concat())
    };
    let made_of_texts = ["--text-from", "raw_text", "--max-len", "12"];
    let unused = ["train", "--store", "new.h5", "--bert", "tiny-bert"];
    let wrong = almt(folder, &unused);
    assert!(
        wrong.code() == 2 && wrong.stderr().contains("needs `--text bert`"),
        "{}",
        wrong.explain()
    );
    train(&["--store", "new.h5", "--out", "stored"]).ok();
    train(&[&["--store", "mosi.h5", "--out", "made"], &made_of_texts[..]].concat()).ok();
    let weights =
        |run: &str| json(folder, &format!("{run}/result.json"))["last_weights_blake3"].clone();
    assert_eq!(weights("made"), weights("stored"));
    assert_eq!(read("made/predictions.csv"), read("stored/predictions.csv"));
    // What is made of the run later makes the same tokens.
    let config: toml::Table = read("made/config.toml").parse().unwrap();
    let tokens = &config["text_encoder"]["tokens"];
    assert_eq!(
        (tokens["from"].as_str(), tokens["max_len"].as_integer()),
        (Some("raw_text"), Some(12))
    );
    almt(folder, &["repeat", "made"]).ok();
    std::fs::remove_file(folder.join("made/result.json")).unwrap();
    almt(folder, &["resume", "made"]).ok();
    assert_eq!(weights("made"), weights("stored"));
    let eval = ["eval", "--store", "mosi.h5", "--checkpoint", "made/best.safetensors", "--json"];
    let eval: serde_json::Value = serde_json::from_str(&almt(folder, &eval).ok().stdout()).unwrap();
    assert_eq!(eval["metrics"], json(folder, "made/result.json")["selected"]["test"]);
    let predict = |checkpoint: &str, more: &[&str]| {
        let args = ["predict", "--store", "mosi.h5", "--split", "valid", "--split", "test"];
        let to = ["-o", "p.csv", "--overwrite", "--checkpoint", checkpoint];
        almt(folder, &[&args[..], &to, more].concat())
    };
    predict("made/best.safetensors", &[]).ok();
    assert_eq!(read("p.csv"), read("made/predictions.csv"));
    std::fs::copy(folder.join("made/best.safetensors"), folder.join("alone.safetensors")).unwrap();
    predict("alone.safetensors", &[])
        .fails_with(&["alone.safetensors", "the tokenizer of its text encoder is unknown"]);
    predict("alone.safetensors", &["--bert", "tiny-bert"]).ok();
    assert_eq!(read("p.csv"), read("made/predictions.csv"));
    // A run from before there was a choice.
    let old =
        read("stored/config.toml").replace("[text_encoder.tokens]\nfrom = \"text_bert\"\n", "");
    assert_ne!(old, read("stored/config.toml"));
    std::fs::write(folder.join("stored/config.toml"), old).unwrap();
    almt(folder, &["repeat", "stored"]).ok();
    std::fs::write(folder.join("tiny-bert/vocab.txt"), vocabulary() + "\n[more]").unwrap();
    let changed = ["vocab.txt", "has changed since the run"];
    predict("made/best.safetensors", &[]).fails_with(&changed);
    almt(folder, &["repeat", "made"]).fails_with(&changed);
    let without_room = ["--store", "mosi.h5", "--text-from", "raw_text", "--max-len", "65"];
    train(&without_room).fails_with(&["reads 3 to 64"]);
    assert_eq!(train(&["--store", "mosi.h5", "--max-len", "9"]).code(), 2);
    let of_tokens = ["--store", "mosi.h5", "--text-from", "text_bert", "--max-len", "9"];
    assert_eq!(train(&of_tokens).code(), 2);
}

/// A copy of `mosi.h5` in which some of ten texts are of another script.
fn foreign_texts(folder: &Path, to: &str, n_foreign: usize) {
    std::fs::copy(folder.join("mosi.h5"), folder.join(to)).unwrap();
    let mut editor = crate::rules::Editor::open(&folder.join(to));
    for split in SplitName::ALL {
        editor.strings(&format!("/{split}/raw_text"), |texts| {
            for text in texts.chunks_mut(10).flat_map(|ten| ten.iter_mut().take(n_foreign)) {
                *text = text.chars().map(|letter| if letter == ' ' { ' ' } else { '我' }).collect();
            }
        });
    }
    editor.seal();
}

/// A copy of `own.h5`, whose texts have 12 tokens, with tokens of other texts.
fn turned_tokens(folder: &Path) {
    std::fs::copy(folder.join("own.h5"), folder.join("turned.h5")).unwrap();
    let mut editor = crate::rules::Editor::open(&folder.join("turned.h5"));
    for split in SplitName::ALL {
        editor.numbers::<i32>(&format!("/{split}/text_bert"), |tokens| {
            for row in tokens.chunks_mut(12).step_by(3) {
                // Another letter for each, and the rarest within words.
                row.iter_mut()
                    .filter(|id| (5..31).contains(*id))
                    .for_each(|id| *id = 5 + (*id + 8) % 26);
                row.iter_mut().filter(|id| (31..57).contains(*id)).for_each(|id| *id = 56);
            }
        });
    }
    editor.seal();
}

#[test]
fn texts_and_tokens_of_another_vocabulary_are_warned_of_and_refused() {
    let folder = prepare();
    let folder = folder.path();
    let own = encode(folder, "mosi.h5", "own.h5", &[]).ok();
    assert!(!own.stderr().contains("warning"), "{}", own.explain());
    foreign_texts(folder, "some.h5", 4);
    foreign_texts(folder, "all.h5", 10);
    let warned = encode(folder, "some.h5", "new.h5", &["--overwrite"]).ok();
    for part in ["warning: some.h5: tiny-bert: ", "letters are of scripts", "most of them Chinese"]
    {
        assert!(warned.stderr().contains(part), "{}", warned.explain());
    }
    let refused = encode(folder, "all.h5", "no.h5", &[]).fails_with(&[
        "all.h5: tiny-bert: ",
        "tokens are unknown to the vocabulary (100.0%)",
        "letters are of scripts that the vocabulary lacks (100.0%",
    ]);
    assert!(refused.stderr().contains("in another language"), "{}", refused.explain());
    assert!(!folder.join("no.h5").exists());
    encode(folder, "all.h5", "no.h5", &["--force"]).ok();
    // The same of an encoder that is trained, which says so before it begins.
    let train = |store: &str, more: &[&str]| {
        let bert = ["train", "--text", "bert", "--bert", "tiny-bert", "--epochs", "1"];
        almt(
            folder,
            &[&bert[..], &["--store", store, "--out", "run", "--overwrite"], more].concat(),
        )
    };
    let made_of_texts = ["--text-from", "raw_text", "--max-len", "12"];
    train("all.h5", &made_of_texts)
        .fails_with(&["all.h5: tiny-bert: ", "unknown to the vocabulary"]);
    train("all.h5", &[&made_of_texts[..], &["--force"]].concat()).ok();
    turned_tokens(folder);
    train("own.h5", &[]).ok();
    train("turned.h5", &[])
        .fails_with(&["turned.h5: tiny-bert: the tokens of ", " segments are not"]);
    let turned = train("turned.h5", &[]);
    assert!(turned.stderr().contains("`--text-from raw_text` tokenizes"), "{}", turned.explain());
}

#[test]
fn a_model_with_an_encoder_meets_texts_and_tokens_of_another_vocabulary() {
    let folder = prepare();
    let folder = folder.path();
    encode(folder, "mosi.h5", "own.h5", &[]).ok();
    let train = |store: &str, out: &str, more: &[&str]| {
        let args = ["train", "--text", "bert", "--bert", "tiny-bert", "--epochs", "1"];
        almt(folder, &[&args[..], &["--store", store, "--out", out], more].concat()).ok()
    };
    train("own.h5", "stored", &[]);
    train("mosi.h5", "made", &["--text-from", "raw_text", "--max-len", "12"]);
    foreign_texts(folder, "some.h5", 4);
    foreign_texts(folder, "all.h5", 10);
    turned_tokens(folder);
    std::fs::copy(folder.join("own.h5"), folder.join("beyond.h5")).unwrap();
    let mut editor = crate::rules::Editor::open(&folder.join("beyond.h5"));
    editor.numbers::<i32>("/test/text_bert", |tokens| tokens[1] = 150);
    editor.seal();
    for command in ["eval", "predict"] {
        let call = |run: &str, store: &str, more: &[&str]| {
            almt(folder, &[&[command, run, "--store", store], more].concat())
        };
        for (run, store) in [("made", "mosi.h5"), ("stored", "own.h5")] {
            let own = call(run, store, &[]).ok().stderr();
            assert!(!own.contains("vocabulary"), "{own}");
        }
        let warned = call("made", "some.h5", &[]).ok().stderr();
        assert!(warned.contains("warning: some.h5: ") && warned.contains("Chinese"), "{warned}");
        call("made", "all.h5", &[])
            .fails_with(&["all.h5: ", "tokens are unknown to the vocabulary (100.0%)"])
            .hints_at("in another language than the model's encoder");
        let forced = call("made", "all.h5", &["--force"]).ok().stderr();
        assert!(forced.contains("unknown to the vocabulary"), "{forced}");
        call("stored", "turned.h5", &[])
            .fails_with(&["turned.h5: ", "the tokens of ", " segments are not those"])
            .hints_at("`almt-data encode turned.h5 --bert ");
        call("stored", "turned.h5", &["--force"]).ok();
        call("stored", "beyond.h5", &["--force"])
            .fails_with(&["beyond.h5: ", "test/text_bert", "token 150"])
            .hints_at(
                "--text-from raw_text -o encoded.h5` makes a store with those of the model's",
            );
    }
    // The hint, with the length of this model.
    for store in ["turned.h5", "beyond.h5"] {
        encode(folder, store, "encoded.h5", &["--overwrite"]).ok();
        let found = almt(folder, &["predict", "stored", "--store", "encoded.h5"]).ok().stdout();
        let own = almt(folder, &["predict", "stored", "--store", "own.h5"]).ok().stdout();
        assert_eq!(found, own);
    }
    std::fs::rename(folder.join("tiny-bert"), folder.join("away")).unwrap();
    almt(folder, &["predict", "stored", "--store", "beyond.h5"])
        .fails_with(&["beyond.h5: ", "token 150"])
        .hints_at("another encoder than the model's");
}

/// Sets every value of a tensor of the tiny encoder.
pub fn set_weights(folder: &Path, tensor: &str, value: f32) {
    let path = folder.join("tiny-bert/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header_len]).unwrap();
    let place = &header[tensor];
    assert_eq!(place["dtype"], "F32", "{tensor}: {header}");
    let at = |end: usize| place["data_offsets"][end].as_u64().unwrap() as usize + 8 + header_len;
    for bytes in bytes[at(0)..at(1)].chunks_mut(4) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

/// Hidden states that the type of the store's features cannot hold.
#[test]
fn an_encoder_beyond_float16_is_refused() {
    let folder = prepare();
    let folder = folder.path();
    almt(folder, &["convert", "mosi.pkl", "-o", "half.h5", "--dtype", "float16"]).ok();
    let last = "encoder.layer.1.output.LayerNorm.weight";
    set_weights(folder, last, 1e6);
    let call = encode(folder, "half.h5", "new.h5", &[]);
    let hint = "hint: the store has float16 features: convert its source with `--dtype float32`";
    assert!(call.stderr().contains(hint), "{}", call.explain());
    call.fails_with(&["`train/text`", "lie beyond float16", "`test/text`"]);
    assert!(!folder.join("new.h5").exists());
    encode(folder, "mosi.h5", "new.h5", &[]).ok();
    set_weights(folder, last, f32::NAN);
    let call = encode(folder, "mosi.h5", "nan.h5", &[]);
    assert!(call.stderr().contains("hint: the weights are damaged"), "{}", call.explain());
    call.fails_with(&["the hidden states of sample", "are not finite"]);
}
