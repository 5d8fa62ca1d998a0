//! Data sets as they circulate: FMA's table, filtered lists, labels, archives; what an inventory finds.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use timbral_data::manifest::{FmaSubset, verify_archive};
use timbral_data::{DataError, Inventory, LabelMap, Manifest, ManifestEntry, Part, TrackInfo};
use timbral_decode::{Audio, WavFormat, write_wav};

const TRACKS: &str = "\
,album,artist,artist,set,set,track,track
,title,id,name,split,subset,genre_top,title
track_id,,,,,,,
2,A,1,AWOL,training,small,Hip-Hop,Food
10,B,6,Kurt Vile,validation,medium,Pop,Freeway
140,C,54,\"Alec K. Redfearn, Eyesores\",test,small,Folk,Queen
200,D,9,Nobody,training,large,,Nothing
98565,E,9,Nobody,training,small,Folk,Cut
";

#[test]
fn fma_is_read_by_the_names_of_its_two_header_rows() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("tracks.csv");
    std::fs::write(&table, TRACKS).unwrap();
    let small = Manifest::read_fma(&table, "fma_small", FmaSubset::Small).unwrap();
    assert_eq!(small.len(), 2);
    let last = &small.entries()[1];
    assert_eq!(last.path, Path::new("fma_small/000/000140.mp3"));
    assert_eq!((last.track.track_id.as_str(), last.track.label.as_str()), ("000140", "Folk"));
    assert_eq!(last.track.artist.as_deref(), Some("Alec K. Redfearn, Eyesores"));
    assert_eq!(last.track.group.as_deref(), Some("artist 54"));
    assert_eq!(last.track.official_split, Some(Part::Test));
    assert!(small.notes()[0].contains("98565"));
    assert_eq!(Manifest::read_fma(&table, "a", FmaSubset::Medium).unwrap().len(), 3);
    let large = Manifest::read_fma(&table, "a", FmaSubset::Large).unwrap();
    assert_eq!(large.len(), 3);
    assert!(large.notes()[0].starts_with("1 tracks without"));

    for (text, said) in [
        ("track_id,genre\n1,x\n", "third row"),
        ("a,b\nc,d\ne,f\n", "track_id"),
        (&TRACKS.replace("genre_top", "genre"), "no column track, genre_top"),
        (&TRACKS.replace("test,small", "tset,small"), "line 6"),
    ] {
        std::fs::write(&table, text).unwrap();
        let error = Manifest::read_fma(&table, "a", FmaSubset::Small).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

fn entry(folder: &Path, label: &str, id: &str) -> ManifestEntry {
    ManifestEntry {
        path: folder.join(format!("{id}.wav")),
        track: TrackInfo::new(id, label),
        duration_seconds: None,
    }
}

#[test]
fn lists_give_the_split_and_what_they_leave_out_is_faulty() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let ids = ["blues.00000", "blues.00001", "jazz.00054", "pop.00015"];
    let entries = ids.map(|id| entry(folder.path(), id.split('.').next().unwrap(), id));
    let mut manifest = Manifest::new(entries.to_vec()).unwrap();
    std::fs::write(at("a"), "blues/blues.00000.wav\n\njazz\\jazz.00054.au\n").unwrap();
    std::fs::write(at("b"), "blues.00001.wav\n").unwrap();
    std::fs::write(at("c"), "rock/rock.00001.wav\n").unwrap();
    manifest.apply_lists(at("a"), at("b"), at("c")).unwrap();
    let splits: Vec<Part> = manifest.tracks().iter().map(|t| t.official_split.unwrap()).collect();
    assert_eq!(splits, [Part::Train, Part::Validation, Part::Train, Part::Faulty]);
    assert!(manifest.notes()[0].contains("rock.00001"));
    std::fs::write(at("c"), "blues/blues.00001.wav\n").unwrap();
    let error = manifest.apply_lists(at("a"), at("b"), at("c")).unwrap_err();
    assert!(matches!(error, DataError::Malformed { line: Some(1), .. }), "{error}");
}

#[test]
fn labels_are_renamed_merged_and_left_out() {
    let folder = Path::new("x");
    let entries =
        [("metal", "a"), ("rock", "b"), ("reggae", "c")].map(|(label, id)| entry(folder, label, id));
    let manifest = Manifest::new(entries.to_vec()).unwrap();
    let map = LabelMap {
        rename: [("metal".to_owned(), "rock".to_owned())].into(),
        leave_out: vec!["reggae".to_owned()],
    };
    let mapped = manifest.clone().relabelled(&map).unwrap();
    assert_eq!((mapped.len(), mapped.labels()), (2, vec!["rock".to_owned()]));
    let wrong = LabelMap { leave_out: vec!["regae".to_owned()], ..LabelMap::default() };
    let error = manifest.relabelled(&wrong).unwrap_err().to_string();
    assert!(error.contains("regae") && error.contains("reggae"), "{error}");
}

#[test]
fn archives_are_known_by_their_sum() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    std::fs::write(&path, "abc").unwrap();
    verify_archive(&path, "A9993E364706816ABA3E25717850C26C9CD0D89D").unwrap();
    std::fs::write(&path, "abd").unwrap();
    let error = verify_archive(&path, "a9993e364706816aba3e25717850c26c9cd0d89d").unwrap_err().to_string();
    assert!(error.contains("a.zip") && error.contains("damaged"), "{error}");
    assert!(verify_archive(folder.path().join("none"), "").is_err());
}

/// Notes that follow a seed.
fn song(seed: u32, n: usize) -> Vec<f32> {
    let mut state = seed;
    let mut samples = Vec::with_capacity(n);
    while samples.len() < n {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let hz = 250.0 * 2f32.powf(3.0 * (state >> 8) as f32 / 16_777_216.0);
        for i in 0..3000 + (state >> 20) as usize {
            let t = i as f32 / 11_025.0;
            samples.push(0.4 * (t * hz * std::f32::consts::TAU).sin() * (-3.0 * t).exp());
        }
    }
    samples.truncate(n);
    samples
}

#[test]
fn an_inventory_finds_broken_files_duplicates_and_leaks() {
    let folder = tempfile::tempdir().unwrap();
    let write = |id: &str, samples: Vec<f32>, sample_rate, format| {
        let audio = Audio { samples, sample_rate, channels: 1, warnings: Vec::new() };
        write_wav(folder.path().join(format!("{id}.wav")), &audio, format).unwrap();
    };
    let original = song(5, 12 * 11_025);
    write("a", original.clone(), 11_025, WavFormat::Int16);
    write("b", song(6, 12 * 11_025), 11_025, WavFormat::Int16);
    // The same samples in another container form, and a quieter excerpt.
    let decoded = timbral_decode::decode_file(folder.path().join("a.wav"), &Default::default()).unwrap();
    write("c", decoded.samples, 11_025, WavFormat::Float32);
    write("d", original[22_050..].iter().map(|x| 0.3 * x).collect(), 11_025, WavFormat::Int16);
    std::fs::write(folder.path().join("e.wav"), "no sound").unwrap();
    let mut entries: Vec<ManifestEntry> = ["a", "b", "c", "d", "e"]
        .map(|id| entry(folder.path(), if id == "b" { "two" } else { "one" }, id))
        .to_vec();
    entries[0].track.official_split = Some(Part::Train);
    entries[2].track.official_split = Some(Part::Faulty);
    entries[3].track.official_split = Some(Part::Test);
    let inventory = Inventory::read(&Manifest::new(entries).unwrap(), |_| {}).unwrap();
    let pairs: Vec<(usize, usize, bool, bool)> =
        inventory.duplicates.iter().map(|d| (d.first, d.second, d.exact, d.leaks)).collect();
    assert_eq!(pairs, [(0, 2, true, false), (0, 3, false, true), (2, 3, false, false)]);
    assert!((inventory.duplicates[1].offset - 2.0).abs() < 0.05);
    let classes = inventory.classes();
    assert_eq!((classes["one"].files, classes["one"].broken), (3, 1));
    assert!((classes["two"].seconds - 12.0).abs() < 1e-9);
    assert!(inventory.files[4].error.is_some());
}

#[test]
fn paths_of_any_kind_become_one_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("jazz")).unwrap();
    for name in ["jazz/one.wav", "jazz/._one.wav", "jazz/notes.txt", "two.mp3"] {
        std::fs::write(at(name), "").unwrap();
    }
    std::fs::write(at("more.csv"), "path,label\nx.wav,pop\n").unwrap();
    let paths = [at("jazz"), at("two.mp3"), at("more.csv")];
    let manifest = Manifest::of_paths(&paths, true).unwrap();
    let rows: Vec<(String, String)> = manifest.tracks().into_iter().map(|t| (t.track_id, t.label)).collect();
    assert_eq!(rows[0], ("one".to_owned(), "jazz".to_owned()));
    assert_eq!(rows[1].0, "two");
    assert_eq!(rows[2], ("x".to_owned(), "pop".to_owned()));
    assert_eq!(rows.len(), 3);
    assert_eq!(Manifest::of_paths(&paths, false).unwrap().tracks()[0].label, "");
    assert!(Manifest::of_paths(&[at("none")], false).is_err());
}
