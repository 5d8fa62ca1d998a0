//! Windows of known signals, and properties that hold for all.
#![allow(clippy::unwrap_used, reason = "a test says what must hold")]

use std::borrow::Cow;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use timbral_segment::{Cut, LastWindow, SegmentConfig, SegmentError, Segmenter, Span, Window};

const POLICIES: [LastWindow; 5] =
    [LastWindow::Drop, LastWindow::Keep, LastWindow::ZeroPad, LastWindow::Repeat, LastWindow::ShiftBack];

fn sliding(length: usize, hop: usize, last: LastWindow) -> Segmenter {
    let cut = Cut::Sliding { length: Span::Samples(length), hop: Span::Samples(hop) };
    Segmenter::new(SegmentConfig { excerpt: None, cut, last }, 8_000).unwrap()
}

/// Samples that are all different and none of them zero.
fn ramp(n: usize) -> Vec<f32> {
    (1..=n).map(|i| i as f32).collect()
}

fn starts_and_samples(segmenter: &Segmenter, samples: &[f32]) -> Vec<(usize, Vec<f32>)> {
    segmenter.windows(samples).map(|w| (w.start, w.samples.into_owned())).collect()
}

/// Sliding windows read off the definition, sample by sample.
fn sliding_reference(x: &[f32], length: usize, hop: usize, last: LastWindow) -> Vec<(usize, Vec<f32>)> {
    let mut out = Vec::new();
    let mut covered = 0;
    let mut start = 0;
    while start < x.len() {
        let given: Vec<f32> = x.iter().skip(start).take(length).copied().collect();
        if given.len() == length {
            out.push((start, given));
            covered = start + length;
        } else {
            if covered < x.len() {
                match last {
                    LastWindow::Drop => {}
                    LastWindow::Keep => out.push((start, given)),
                    LastWindow::ZeroPad => {
                        out.push((
                            start,
                            (0..length).map(|i| given.get(i).copied().unwrap_or(0.0)).collect(),
                        ));
                    }
                    LastWindow::Repeat => {
                        out.push((start, (0..length).map(|i| given[i % given.len()]).collect()));
                    }
                    LastWindow::ShiftBack if x.len() >= length => {
                        out.push((x.len() - length, x[x.len() - length..].to_vec()));
                    }
                    LastWindow::ShiftBack => {
                        out.push((0, (0..length).map(|i| x.get(i).copied().unwrap_or(0.0)).collect()));
                    }
                    other => unreachable!("no reference for {other:?}"),
                }
            }
            break;
        }
        start += hop;
    }
    out
}

#[test]
fn the_last_window_follows_its_policy() {
    let x = ramp(7);
    let last = |policy| starts_and_samples(&sliding(4, 3, policy), &x[..6]).pop().unwrap();
    assert_eq!(last(LastWindow::Drop), (0, vec![1.0, 2.0, 3.0, 4.0]));
    assert_eq!(last(LastWindow::Keep), (3, vec![4.0, 5.0, 6.0]));
    assert_eq!(last(LastWindow::ZeroPad), (3, vec![4.0, 5.0, 6.0, 0.0]));
    assert_eq!(last(LastWindow::Repeat), (3, vec![4.0, 5.0, 6.0, 4.0]));
    assert_eq!(last(LastWindow::ShiftBack), (2, vec![3.0, 4.0, 5.0, 6.0]));
    for policy in POLICIES {
        assert_eq!(sliding(4, 3, policy).windows(&x).len(), 2, "nothing remains under {policy:?}");
    }
}

#[test]
fn a_signal_shorter_than_a_window_follows_the_policy() {
    let x = ramp(2);
    let only = |policy| starts_and_samples(&sliding(5, 5, policy), &x);
    assert_eq!(only(LastWindow::Drop), []);
    assert_eq!(only(LastWindow::Keep), [(0, vec![1.0, 2.0])]);
    assert_eq!(only(LastWindow::ZeroPad), [(0, vec![1.0, 2.0, 0.0, 0.0, 0.0])]);
    assert_eq!(only(LastWindow::Repeat), [(0, vec![1.0, 2.0, 1.0, 2.0, 1.0])]);
    assert_eq!(only(LastWindow::ShiftBack), [(0, vec![1.0, 2.0, 0.0, 0.0, 0.0])]);
}

#[test]
fn an_empty_signal_has_no_windows() {
    let cuts = [
        Cut::Sliding { length: Span::Samples(4), hop: Span::Samples(4) },
        Cut::Parts { count: 3 },
        Cut::Middle { length: Span::Samples(4) },
    ];
    for cut in cuts {
        for last in POLICIES {
            let segmenter = Segmenter::new(SegmentConfig { cut, last, excerpt: None }, 8_000).unwrap();
            assert_eq!(segmenter.windows(&[]).count(), 0, "{cut:?} {last:?}");
        }
    }
}

#[test]
fn thirty_seconds_give_ten_windows_of_three() {
    let segmenter = Segmenter::new(SegmentConfig::default(), 22_050).unwrap();
    let samples = vec![0.5; 661_500];
    let windows: Vec<Window<'_>> = segmenter.track_windows("blues.00000", &samples).collect();
    assert_eq!(windows.len(), 10);
    for (i, window) in windows.iter().enumerate() {
        assert_eq!((window.index, window.samples.len(), window.valid), (i, 66_150, 66_150));
        assert_eq!(window.start_seconds(), 3.0 * i as f64);
        assert_eq!(window.duration_seconds(), 3.0);
        assert_eq!(window.track(), Some("blues.00000"));
        assert!(matches!(window.samples, Cow::Borrowed(_)));
    }
}

#[test]
fn parts_are_equal_under_every_policy() {
    let x = ramp(10);
    let parts = |last| {
        let config = SegmentConfig { cut: Cut::Parts { count: 3 }, last, excerpt: None };
        starts_and_samples(&Segmenter::new(config, 8_000).unwrap(), &x)
    };
    let (a, b) = (vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]);
    assert_eq!(parts(LastWindow::Drop), [(0, a.clone()), (3, b.clone()), (6, vec![7.0, 8.0, 9.0])]);
    assert_eq!(parts(LastWindow::Keep), [(0, a), (3, b), (6, vec![7.0, 8.0, 9.0, 10.0])]);
    assert_eq!(parts(LastWindow::ZeroPad)[1], (3, vec![4.0, 5.0, 6.0, 0.0]));
    assert_eq!(parts(LastWindow::Repeat)[1], (3, vec![4.0, 5.0, 6.0, 4.0]));
    assert_eq!(parts(LastWindow::ShiftBack)[1], (3, vec![4.0, 5.0, 6.0, 7.0]));
    assert_eq!(parts(LastWindow::ShiftBack)[2], (6, vec![7.0, 8.0, 9.0, 10.0]));
    let config = SegmentConfig { cut: Cut::Parts { count: 11 }, ..SegmentConfig::default() };
    assert_eq!(Segmenter::new(config, 8_000).unwrap().windows(&x).count(), 0);
}

#[test]
fn the_middle_window_is_centred_to_the_sample() {
    let cut = Cut::Middle { length: Span::Samples(4) };
    let middle = |n, last| {
        let segmenter = Segmenter::new(SegmentConfig { cut, last, excerpt: None }, 8_000).unwrap();
        starts_and_samples(&segmenter, &ramp(n))
    };
    assert_eq!(middle(8, LastWindow::Drop), [(2, vec![3.0, 4.0, 5.0, 6.0])]);
    assert_eq!(middle(9, LastWindow::Drop), [(2, vec![3.0, 4.0, 5.0, 6.0])]);
    assert_eq!(middle(3, LastWindow::Drop), []);
    assert_eq!(middle(3, LastWindow::Keep), [(0, vec![1.0, 2.0, 3.0])]);
    assert_eq!(middle(3, LastWindow::ShiftBack), [(0, vec![1.0, 2.0, 3.0, 0.0])]);
}

#[test]
fn an_excerpt_counts_from_the_start_of_the_whole_signal() {
    let config = SegmentConfig {
        excerpt: Some(Span::Samples(6)),
        cut: Cut::Sliding { length: Span::Samples(3), hop: Span::Samples(3) },
        last: LastWindow::Drop,
    };
    let segmenter = Segmenter::new(config, 8_000).unwrap();
    let windows = starts_and_samples(&segmenter, &ramp(10));
    assert_eq!(windows, [(2, vec![3.0, 4.0, 5.0]), (5, vec![6.0, 7.0, 8.0])]);
    assert_eq!(segmenter.windows(&ramp(5)).count(), 1);
    // Seven seconds around the middle: the work does not depend on the length.
    let config = SegmentConfig { excerpt: Some(Span::Seconds(7.0)), ..SegmentConfig::default() };
    let segmenter = Segmenter::new(config, 16_000).unwrap();
    let counts = [16_000 * 8, 16_000 * 30, 16_000 * 3600].map(|n| segmenter.placements(n).len());
    assert_eq!(counts, [3, 3, 3]);
}

#[test]
fn bad_configurations_are_refused() {
    let refuse = |cut, rate| {
        Segmenter::new(SegmentConfig { cut, ..SegmentConfig::default() }, rate).unwrap_err().to_string()
    };
    let long = |length, hop| Cut::Sliding { length, hop };
    let one = Span::Samples(1);
    assert_eq!(refuse(long(one, one), 0), "sample_rate is 0 Hz; it must be at least 1 Hz");
    assert!(refuse(long(Span::Samples(0), one), 8_000).contains("length is 0 samples"));
    assert!(refuse(long(one, Span::Seconds(-1.0)), 8_000).contains("hop is -1 s"));
    assert!(refuse(long(one, Span::Seconds(f64::NAN)), 8_000).contains("finite"));
    assert!(refuse(long(one, Span::Seconds(1e-9)), 8_000).contains("0.000000001 s at 8000 Hz"));
    assert!(refuse(long(Span::Samples(usize::MAX), one), 8_000).contains("at most"));
    assert!(refuse(long(Span::Seconds(1e300), one), 8_000).contains("at most"));
    assert!(refuse(Cut::Parts { count: 0 }, 8_000).contains("count is 0; it must be at least 1"));
}

#[test]
fn only_the_sliding_cut_streams() {
    let config = SegmentConfig { cut: Cut::Parts { count: 2 }, ..SegmentConfig::default() };
    let error = Segmenter::new(config, 8_000).unwrap().stream().unwrap_err();
    assert!(matches!(error, SegmentError::NotStreamable { .. }));
    let config = SegmentConfig { excerpt: Some(Span::Seconds(7.0)), ..SegmentConfig::default() };
    assert!(Segmenter::new(config, 8_000).unwrap().stream().is_err());
}

#[test]
fn a_stream_forgets_what_it_no_longer_needs() {
    for last in POLICIES {
        for (length, hop) in [(400, 100), (100, 1_000)] {
            let mut stream = sliding(length, hop, last).stream().unwrap();
            let mut most = 0;
            for chunk in ramp(100_000).chunks(50) {
                stream.push(chunk);
                while stream.next_window().is_some() {}
                most = most.max(stream.samples_held());
            }
            // Twice what is needed, because dropping waits until it pays, and a chunk.
            assert!(most <= 2 * (length + hop) + 50, "{last:?}: {most} samples held");
        }
    }
}

#[test]
fn configurations_survive_serde() {
    let config = SegmentConfig {
        excerpt: Some(Span::Seconds(7.0)),
        cut: Cut::Sliding { length: Span::Samples(48_000), hop: Span::Seconds(1.5) },
        last: LastWindow::Repeat,
    };
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(
        json,
        r#"{"excerpt":{"seconds":7.0},"cut":{"sliding":{"length":{"samples":48000},"hop":{"seconds":1.5}}},"last":"repeat"}"#
    );
    assert_eq!(serde_json::from_str::<SegmentConfig>(&json).unwrap(), config);
    assert_eq!(serde_json::from_str::<SegmentConfig>("{}").unwrap(), SegmentConfig::default());
    assert!(serde_json::from_str::<SegmentConfig>(r#"{"lenght": 3}"#).is_err());
}

#[test]
fn public_types_cross_threads() {
    fn check<T: Send + Sync + Unpin>() {}
    check::<Segmenter>();
    check::<Window<'static>>();
    check::<timbral_segment::StreamSegmenter>();
    check::<SegmentError>();
}

fn policy() -> impl Strategy<Value = LastWindow> {
    prop::sample::select(POLICIES.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn sliding_windows_meet_their_definition(
        n in 0_usize..200, length in 1_usize..60, hop in 1_usize..80, last in policy(),
    ) {
        let x = ramp(n);
        let segmenter = sliding(length, hop, last);
        prop_assert_eq!(starts_and_samples(&segmenter, &x), sliding_reference(&x, length, hop, last));
        prop_assert_eq!(segmenter.windows(&x).len(), segmenter.windows(&x).count());
        for window in segmenter.windows(&x) {
            prop_assert_eq!(window.samples[..window.valid].to_vec(), x[window.start..window.start + window.valid].to_vec());
        }
    }

    #[test]
    fn nothing_is_lost_unless_dropped(
        n in 0_usize..200, length in 1_usize..60, hop_share in 0.0_f64..1.0, last in policy(),
    ) {
        let hop = 1 + (hop_share * (length - 1) as f64) as usize;
        let mut seen = vec![false; n];
        for window in sliding(length, hop, last).windows(&ramp(n)) {
            seen[window.start..window.start + window.valid].fill(true);
        }
        let missed = seen.iter().filter(|&&s| !s).count();
        if last == LastWindow::Drop {
            prop_assert!(missed < length);
        } else {
            prop_assert_eq!(missed, 0);
        }
    }

    #[test]
    fn parts_cover_the_signal(n in 0_usize..300, count in 1_usize..40, last in policy()) {
        let config = SegmentConfig { cut: Cut::Parts { count }, last, excerpt: None };
        let x = ramp(n);
        let segmenter = Segmenter::new(config, 8_000).unwrap();
        let windows: Vec<_> = segmenter.windows(&x).collect();
        prop_assert_eq!(windows.len(), if n < count { 0 } else { count });
        if last != LastWindow::Keep {
            prop_assert!(windows.windows(2).all(|w| w[0].samples.len() == w[1].samples.len()));
        }
        let mut seen = vec![0; n];
        for window in &windows {
            seen[window.start..window.start + window.valid].iter_mut().for_each(|s| *s += 1);
        }
        match last {
            _ if n < count => {}
            LastWindow::Drop => prop_assert!(seen.iter().filter(|&&s| s == 0).count() < count),
            LastWindow::ShiftBack => prop_assert!(seen.iter().all(|&s| s == 1 || s == 2)),
            _ => prop_assert!(seen.iter().all(|&s| s == 1)),
        }
    }

    #[test]
    fn a_stream_equals_the_batch(
        n in 0_usize..300, length in 1_usize..60, hop in 1_usize..90, last in policy(),
        chunks in prop::collection::vec(0_usize..70, 1..12),
    ) {
        let x = ramp(n);
        let segmenter = sliding(length, hop, last);
        let mut stream = segmenter.stream().unwrap().for_track("a");
        let mut streamed = Vec::new();
        let (mut at, mut turn) = (0, 0);
        while at < n {
            let size = chunks[turn % chunks.len()].min(n - at).max(usize::from(turn % chunks.len() == 0));
            stream.push(&x[at..at + size]);
            at += size;
            turn += 1;
            // Taken late, windows are the same.
            if turn % 3 != 0 {
                let ready = stream.windows_ready();
                let before = streamed.len();
                while let Some(window) = stream.next_window() {
                    streamed.push(window.into_owned());
                }
                prop_assert_eq!(streamed.len() - before, ready);
            }
        }
        stream.finish();
        while let Some(window) = stream.next_window() {
            streamed.push(window.into_owned());
        }
        prop_assert!(stream.next_window().is_none());
        let batch: Vec<_> = segmenter.track_windows("a", &x).map(Window::into_owned).collect();
        prop_assert_eq!(streamed, batch);
    }
}
