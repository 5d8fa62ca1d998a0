//! Every feature of a 30 s clip at 22 050 Hz beside its floor: the bare real Fourier transforms of the same frames.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};

#[path = "bench_table/workload.rs"]
mod workload;

fn features(criterion: &mut Criterion) {
    for mut work in workload::all() {
        let mut group = criterion.benchmark_group(format!("features/{}", work.name));
        group.sample_size(30);
        group.bench_function("timbral", |b| b.iter(|| black_box((work.timbral)())));
        group.bench_function("floor", |b| b.iter(|| black_box((work.floor)())));
        group.finish();
    }
}

criterion_group!(benches, features);
criterion_main!(benches);
