//! Manifests, tables and the feature cache on files that the tests make.
#![allow(clippy::unwrap_used, reason = "a test says what must hold")]

use std::fs;
use std::io::Write;
use std::path::Path;

use ndarray::{Array3, ArrayD, IxDyn};
use timbral_data::{CacheKey, DataError, FeatureCache, FeatureTable, GroupTable, Manifest, MelTable, Part};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_manifest_reads_the_columns_in_use() {
    let dir = folder();
    let csv = dir.path().join("gtzan.csv");
    fs::write(
        &csv,
        "path,genre,track_id,artist,title,official_split,duration_s\n\
         gtzan/blues/blues.00000.flac,blues,blues.00000,John Lee Hooker,\"One Bourbon, One Scotch\",valid,30.013\n\
         gtzan/classical/classical.00061.ogg,classical,classical.00061,,,faulty,29.9\n",
    )
    .unwrap();
    let manifest = Manifest::read_csv(&csv).unwrap();
    assert_eq!(manifest.labels(), ["blues", "classical"]);
    let entry = &manifest.entries()[0];
    assert_eq!(entry.path, dir.path().join("gtzan/blues/blues.00000.flac"));
    assert_eq!(entry.track.official_split, Some(Part::Validation));
    assert_eq!(entry.track.group_key(), "john lee hooker");
    assert_eq!(entry.duration_seconds, Some(30.013));
    assert_eq!(manifest.entries()[1].track.group_key(), "unknown:classical.00061");
    let copy = dir.path().join("copy.csv");
    manifest.write_csv(&copy).unwrap();
    assert_eq!(Manifest::read_csv(&copy).unwrap(), manifest);
    assert!(fs::read_to_string(&copy).unwrap().contains("\ngtzan/blues/blues.00000.flac,"));
}

#[test]
fn manifest_errors_name_the_line_and_the_rule() {
    let dir = folder();
    let refuse = |text: &str| {
        let csv = dir.path().join("m.csv");
        fs::write(&csv, text).unwrap();
        Manifest::read_csv(&csv).unwrap_err().to_string()
    };
    assert!(refuse("file,label\na.wav,blues\n").contains("line 1: no column path"));
    assert!(refuse("path\na.wav\n").contains("no column label or genre"));
    let message = refuse("path,label\na.wav,blues\nb.wav,\n");
    assert!(message.contains("m.csv, line 3: column label is empty"), "{message}");
    assert!(refuse("path,label,split\na.wav,blues,later\n").contains("line 2"));
    assert!(refuse("path,label\na.wav,blues,extra\n").contains("line 2"));
    assert!(refuse("path,label,label\n").contains("stands twice"));
    let two = refuse("path,label,track_id\na.wav,blues,1\nb.wav,rock,1\n");
    assert!(two.contains("two ways"), "{two}");
    assert!(matches!(Manifest::read_csv(dir.path().join("none.csv")), Err(DataError::Io { .. })));
}

#[test]
fn folders_of_any_spelling_become_a_manifest() {
    let dir = folder();
    for (label, file) in [
        ("blues", "blues.00001.au"),
        ("blues", "blues.00000.AU"),
        ("blues", "._blues.00000.au"),
        ("blues", "notes.txt"),
        ("jazz", "jazz.00054.wav"),
        ("jazz", "jazz.00000.wav"),
        ("my own", "song.mp3"),
        (".git", "blob.wav"),
    ] {
        fs::create_dir_all(dir.path().join(label)).unwrap();
        fs::write(dir.path().join(label).join(file), b"").unwrap();
    }
    fs::write(dir.path().join("stray.wav"), b"").unwrap();
    let manifest = Manifest::read_folders(dir.path()).unwrap();
    let ids: Vec<&str> = manifest.entries().iter().map(|e| e.track.track_id.as_str()).collect();
    assert_eq!(ids, ["blues.00000", "blues.00001", "jazz.00000", "jazz.00054", "song"]);
    assert_eq!(manifest.labels(), ["blues", "jazz", "my own"]);
    assert!(manifest.notes()[0].contains("jazz.00054.wav: this file is corrupt"), "{:?}", manifest.notes());
    assert!(manifest.notes()[1].starts_with("2 hidden files"), "{:?}", manifest.notes());

    fs::write(dir.path().join("my own/blues.00000.wav"), b"").unwrap();
    let message = Manifest::read_folders(dir.path()).unwrap_err().to_string();
    assert!(message.contains("track blues.00000 is there as"), "{message}");
    let empty = folder();
    assert!(Manifest::read_folders(empty.path()).unwrap_err().to_string().contains("no audio file"));
}

fn write_npz(path: &Path, name: &str, bytes: &[u8]) {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.start_file(name, options).unwrap();
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap();
}

const INDEX: &str = "track_id,genre,artist,official_split,artist_in_test,repeat_of,shard,row,n_samples,n_frames,range_db,range_known,max_db\n";

#[test]
fn mel_tables_become_decibels() {
    let dir = folder();
    fs::create_dir(dir.path().join("mel")).unwrap();
    let cube = Array3::from_shape_fn((2, 3, 4), |(i, b, c)| (100 * i + 4 * b + c) as u8);
    let cube_npy = npy("|u1", "(2, 3, 4)", cube.as_slice().unwrap());
    write_npz(&dir.path().join("mel/blues.npz"), "mel.npy", &cube_npy);
    let index = format!(
        "{INDEX}blues.00001,blues,,train,,,mel/blues.npz,1,661794,1293,80,yes,34.21\n\
         blues.00000,blues,John Lee Hooker,faulty,no,blues.00001,mel/blues.npz,0,661794,1293,64,estimated,30\n"
    );
    fs::write(dir.path().join("mel_index.csv"), &index).unwrap();
    let table = MelTable::read(dir.path()).unwrap();
    assert_eq!(table.len(), 2);
    assert_eq!(table.quantised(0).unwrap(), cube.index_axis(ndarray::Axis(0), 1));
    let db = table.decibels(1).unwrap();
    assert_eq!(db.dim(), (3, 4));
    // q = 9, range 64: (9.5 / 256 - 1) x 64.
    assert_eq!(db[(2, 1)], (9.5 / 256.0 - 1.0) * 64.0);
    assert!(table.decibels(2).is_none());
    let row = &table.rows()[1];
    assert_eq!(row.track.repeat_of.as_deref(), Some("blues.00001"));
    assert_eq!(
        (row.artist_in_test, row.max_db, row.track.official_split),
        (Some(false), 30.0, Some(Part::Faulty))
    );
    assert_eq!(table.rows()[0].artist_in_test, None);

    let refuse = |line: &str| {
        fs::write(dir.path().join("mel_index.csv"), format!("{INDEX}{line}\n")).unwrap();
        MelTable::read(dir.path()).unwrap_err().to_string()
    };
    assert!(refuse("a,b,,train,,,mel/blues.npz,2,1,1,80,yes,1").contains("line 2: row 2 of mel/blues.npz"));
    assert!(refuse("a,b,,train,,,../blues.npz,0,1,1,80,yes,1").contains("outside the folder"));
    assert!(refuse("a,b,,train,,,mel/blues.npz,0,1,1,-80,yes,1").contains("range_db is -80"));
    assert!(refuse("a,b,,train,,,mel/none.npz,0,1,1,80,yes,1").contains("none.npz"));
}

#[test]
fn hostile_archives_are_errors() {
    let dir = folder();
    let index = format!("{INDEX}a,b,,train,,,x.npz,0,1,1,80,yes,1\n");
    fs::write(dir.path().join("mel_index.csv"), index).unwrap();
    let path = dir.path().join("x.npz");
    let read = || MelTable::read(dir.path()).unwrap_err().to_string();
    fs::write(&path, b"no archive").unwrap();
    assert!(read().contains("no npz archive"));
    write_npz(&path, "other.npy", b"");
    assert!(read().contains("no array \"mel\""));
    // A header that promises 10^18 bytes, and none behind it.
    let dict = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 1000000, 1000000), }\n";
    let mut huge = b"\x93NUMPY\x01\x00".to_vec();
    huge.extend_from_slice(&(dict.len() as u16).to_le_bytes());
    huge.extend_from_slice(dict.as_bytes());
    write_npz(&path, "mel.npy", &huge);
    assert!(read().contains("it has 0 bytes for the shape"));
    write_npz(&path, "mel.npy", b"\x93NUMPY");
    assert!(read().contains("it ends within its header"));
    write_npz(&path, "mel.npy", &npy("|u1", "(2, 2)", &[0; 4]));
    assert!(read().contains("must be 3, of uint8"));
    write_npz(&path, "mel.npy", &npy("<f4", "(1, 1, 1)", &[0; 4]));
    assert!(read().contains("type is <f4; it must be |u1"));
}

#[test]
fn feature_tables_leave_out_what_is_no_feature() {
    let dir = folder();
    let csv = dir.path().join("features.csv");
    let text = "filename,length,rms_mean,tempo,label\nblues.00000.wav,661794,0.13,123.0,blues\n\
                blues.00001.3.wav,66149,-1e-3,99,blues\nown song.2.mp3,1,2,3,rock\n";
    fs::write(&csv, text).unwrap();
    let table = FeatureTable::read(&csv).unwrap();
    assert_eq!(table.columns(), ["rms_mean", "tempo"]);
    assert_eq!(table.values()[(1, 0)], -1e-3);
    let ids: Vec<&str> = table.tracks().iter().map(|t| t.track_id.as_str()).collect();
    assert_eq!(ids, ["blues.00000", "blues.00001", "own song.2"]);
    let rock = table.clone().retain_tracks(|t| t.label == "rock").without_columns(&["tempo"]).unwrap();
    assert_eq!((rock.columns(), rock.values().dim()), (&["rms_mean".to_owned()][..], (1, 1)));
    assert!(table.without_columns(&["mfcc1"]).is_err());
    fs::write(&csv, "filename,rms_mean,label\na.wav,nan,b\n").unwrap();
    assert!(FeatureTable::read(&csv).unwrap_err().to_string().contains("line 2: column rms_mean holds NaN"));
}

#[test]
fn feature_tables_know_groups_and_parts() {
    let dir = folder();
    let csv = dir.path().join("features.csv");
    let text =
        "track_id,label,artist,group,split,a,b\nt1,x,A,g,train,1,2\nt2,y,,,valid,3,4\nt1,x,A,g,train,5,6\n";
    fs::write(&csv, text).unwrap();
    let table = FeatureTable::read(&csv).unwrap();
    assert_eq!(table.columns(), ["a", "b"]);
    assert_eq!(table.tracks()[0].group.as_deref(), Some("g"));
    assert_eq!(table.tracks()[1].official_split, Some(Part::Validation));
    let means = table.track_means();
    assert_eq!(means.values(), &ndarray::array![[3.0, 4.0], [3.0, 4.0]]);
    let ids: Vec<&str> = means.tracks().iter().map(|t| t.track_id.as_str()).collect();
    assert_eq!(ids, ["t1", "t2"]);
    fs::write(&csv, "track_id,label,split,a\nt1,x,somewhere,1\n").unwrap();
    let error = FeatureTable::read(&csv).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("somewhere"), "{error}");
}

/// An array as NumPy writes it.
fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn taggrams_are_feature_tables() {
    let dir = folder();
    let path = dir.path().join("train.npz");
    let write = |x: &[u8], ids: &[u8]| {
        let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, bytes) in [("X.npy", x), ("IDS.npy", ids)] {
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap();
    };
    let text = |ids: &[&str]| -> Vec<u8> {
        let cell = |id: &&str| {
            let mut codes: Vec<u32> = id.chars().map(u32::from).collect();
            codes.resize(24, 0);
            codes.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
        };
        npy("<U24", &format!("({},)", ids.len()), &ids.iter().flat_map(cell).collect::<Vec<u8>>())
    };
    let values: Vec<u8> = [0.5_f32, 1.0, 0.25, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let ids = text(&["blues/blues.00029.au", "rück/rück.00001.au"]);
    write(&npy("<f4", "(2, 2)", &values), &ids);
    let table = FeatureTable::read(&path).unwrap();
    assert_eq!(table.values(), &ndarray::array![[0.5, 1.0], [0.25, -2.0]]);
    assert_eq!(table.columns(), ["x0", "x1"]);
    assert_eq!(table.labels(), ["blues", "rück"]);
    assert_eq!(table.tracks()[1].track_id, "rück.00001");

    let refused = |x: &[u8], ids: &[u8]| {
        write(x, ids);
        FeatureTable::read(&path).unwrap_err().to_string()
    };
    assert!(refused(&npy("<f4", "(2, 3)", &values), &ids).contains("16 bytes for the shape [2, 3]"));
    let huge = format!("({0}, {0})", usize::MAX / 2);
    assert!(refused(&npy("<f4", &huge, &values), &ids).contains("16 bytes"));
    assert!(refused(&npy("<f4", "(2, 2, 1)", &values), &ids).contains("two axes"));
    assert!(refused(&npy("|O", "(2, 2)", &values), &ids).contains("|O"));
    assert!(refused(b"\x93NUMPY", &ids).contains("within its header"));
    assert!(refused(b"text", &ids).contains("no NumPy array"));
    assert!(refused(&npy("<f4", "(1, 4)", &values), &ids).contains("2 tracks"));
    assert!(refused(&npy("<f4", "(2, 2)", &values), &text(&["a.au", "b/c.au"])).contains("folder"));
    let infinite: Vec<u8> =
        [0.5_f32, f32::INFINITY, 0.25, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert!(refused(&npy("<f4", "(2, 2)", &infinite), &ids).contains("not finite"));
}

#[test]
fn groups_come_from_outside() {
    let dir = folder();
    let csv = dir.path().join("artist_groups.csv");
    let mut text = "track,genre,split,artist,group,cv0,cv1\n".to_owned();
    for i in 0..8 {
        text += &format!("t{i},rock,train,A{i},g{},{},{}\n", i / 2, i / 4, (i / 2) % 2);
    }
    text += "t8,rock,test,A8,g9,,\n";
    fs::write(&csv, &text).unwrap();
    let table = GroupTable::read(&csv).unwrap();
    assert_eq!(
        (table.len(), table.group("t3"), table.repeats()),
        (9, Some("g1"), &["cv0".to_owned(), "cv1".to_owned()][..])
    );
    let folds = table.folds("cv1").unwrap();
    assert_eq!((folds.n_folds(), folds.fold_of("t2"), folds.fold_of("t8")), (2, Some(1), None));
    assert!(table.folds("cv7").is_err());
    fs::write(&csv, text.replace("t1,rock,train,A1,g0,0,0", "t1,rock,train,A1,g0,1,0")).unwrap();
    let DataError::Leak(leak) = GroupTable::read(&csv).unwrap().folds("cv0").unwrap_err() else {
        panic!("no leak")
    };
    let message = leak.to_string();
    assert_eq!(message, "group \"g0\" is in fold 0 (track t0) and in fold 1 (track t1)");
    fs::write(&csv, text.replace("t1,", "t0,")).unwrap();
    assert!(GroupTable::read(&csv).unwrap_err().to_string().contains("line 3: track t0 stands twice"));
}

#[test]
fn a_cache_gives_back_what_was_stored_and_notices_damage() {
    let dir = folder();
    let cache = FeatureCache::open(dir.path().join("cache")).unwrap();
    let audio = dir.path().join("a.wav");
    fs::write(&audio, b"abc").unwrap();
    let hash = FeatureCache::hash_file(&audio).unwrap();
    assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf], "SHA-256 of \"abc\"");
    let key = CacheKey::new(&hash, r#"{"n_mels":3}"#);
    assert_ne!(key, CacheKey::new(&hash, r#"{"n_mels":4}"#));
    let features = ArrayD::from_shape_fn(IxDyn(&[3, 2, 5]), |i| (i[0] * 10 + i[1] * 5 + i[2]) as f32 * 0.1);
    let mut computed = 0;
    for _ in 0..2 {
        let got = cache
            .get_or_compute(&key, || {
                computed += 1;
                Ok::<_, DataError>(features.clone())
            })
            .unwrap();
        assert_eq!(got, features);
    }
    assert_eq!(computed, 1);

    let sub = fs::read_dir(dir.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    let files: Vec<_> = fs::read_dir(sub).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "no temporary file stays");
    let whole = fs::read(&files[0]).unwrap();
    for i in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[i] ^= 1;
        fs::write(&files[0], &damaged).unwrap();
        assert_eq!(cache.get(&key).unwrap(), None, "byte {i}");
        fs::write(&files[0], &whole[..i]).unwrap();
        assert_eq!(cache.get(&key).unwrap(), None, "cut at {i}");
    }
    let got = cache.get_or_compute(&key, || Ok::<_, DataError>(features.clone())).unwrap();
    assert_eq!(got, features);
    assert_eq!(fs::read(&files[0]).unwrap(), whole, "the damaged entry is replaced");
}
