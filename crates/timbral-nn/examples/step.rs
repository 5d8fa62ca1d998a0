#![allow(warnings, clippy::all)]
use candle_core::*;
use candle_nn::VarMap;

#[derive(Clone, Copy)]
struct Instant(f64);
fn cpu() -> f64 {
    if std::env::var("CPU").is_err() {
        return std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
    }
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|d| {
            std::fs::read_to_string(d.unwrap().path().join("schedstat"))
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
                .parse::<f64>()
                .unwrap()
                * 1e-9
        })
        .sum()
}
impl Instant {
    fn now() -> Self {
        Self(cpu())
    }
    fn elapsed(&self) -> std::time::Duration {
        std::time::Duration::from_secs_f64((cpu() - self.0).max(0.))
    }
}

use timbral_nn::*;

struct Net {
    blocks: Vec<(Conv2d, BatchNorm)>,
    head: Linear,
    drop: Dropout,
}
impl Net {
    fn new(map: &VarMap, ch: &[usize]) -> Result<Self> {
        let vb = SeededInit::new(map, 1).var_builder(DType::F32, &Device::Cpu);
        let mut blocks = vec![];
        let mut c = 1;
        for (i, &o) in ch.iter().enumerate() {
            let vb = vb.pp(i);
            blocks.push((
                conv2d(
                    Conv2dConfig {
                        in_channels: c,
                        out_channels: o,
                        padding: Padding::Same,
                        bias: false,
                        ..Default::default()
                    },
                    vb.pp("conv"),
                )?,
                batch_norm_2d(
                    BatchNormConfig {
                        channels: o,
                        ..Default::default()
                    },
                    vb.pp("norm"),
                )?,
            ));
            c = o;
        }
        let clock = TrainingClock::new(1);
        Ok(Self {
            blocks,
            head: linear(
                LinearConfig {
                    in_features: 2 * c,
                    out_features: 10,
                    bias: true,
                },
                vb.pp("head"),
            )?,
            drop: dropout(0.3, &clock, &vb.pp("drop"))?,
        })
    }
    fn fwd(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        let verbose = std::env::var("V").is_ok();
        for (conv, norm) in &self.blocks {
            let t = Instant::now();
            x = conv.forward(&x)?;
            let t1 = t.elapsed();
            x = norm.forward_relu_max_pool_t(&x, train, (2, 2))?;
            if verbose {
                println!("  conv {:?} bn {:?}", t1, t.elapsed() - t1);
            }
        }
        let x = mean_over(&x, 2)?;
        let x = Tensor::cat(&[mean_over(&x, 2)?, max_over(&x, 2)?], 1)?;
        self.head.forward(&self.drop.forward_t(&x, train)?)
    }
}
struct Stock {
    blocks: Vec<(candle_nn::Conv2d, candle_nn::BatchNorm)>,
    head: candle_nn::Linear,
}
impl Stock {
    fn new(map: &VarMap, ch: &[usize]) -> Result<Self> {
        let vb = SeededInit::new(map, 1).var_builder(DType::F32, &Device::Cpu);
        let mut blocks = vec![];
        let mut c = 1;
        for (i, &o) in ch.iter().enumerate() {
            let vb = vb.pp(i);
            blocks.push((
                candle_nn::conv2d_no_bias(
                    c,
                    o,
                    3,
                    candle_nn::Conv2dConfig {
                        padding: 1,
                        ..Default::default()
                    },
                    vb.pp("conv"),
                )?,
                candle_nn::batch_norm(o, candle_nn::BatchNormConfig::default(), vb.pp("norm"))?,
            ));
            c = o;
        }
        Ok(Self {
            blocks,
            head: candle_nn::linear(2 * c, 10, vb.pp("head"))?,
        })
    }
    fn fwd(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for (conv, norm) in &self.blocks {
            x = norm.forward_t(&conv.forward(&x)?, train)?.relu()?;
            let (b, c, h, w) = x.dims4()?;
            x = x.reshape((b, c, h / 2, 2, w / 2, 2))?.max(5)?.max(3)?;
        }
        let x = x.mean(2)?;
        let x = Tensor::cat(&[x.mean(2)?, x.max(2)?], 1)?;
        self.head.forward(&x)
    }
}
fn main() -> Result<()> {
    let mode = std::env::args().nth(1).unwrap_or("ours".into());
    let n: usize = std::env::args().nth(2).map(|s| s.parse().unwrap()).unwrap_or(15);
    let mut a: Vec<f64> = vec![];
    for ch in [[24, 48, 96, 128], [16, 32, 64, 128]] {
        let map = VarMap::new();
        let x = Tensor::randn(0f32, 1., (32, 1, 64, 128), &Device::Cpu)?;
        let x1 = x.narrow(0, 0, 1)?.contiguous()?;
        let y: Vec<u32> = (0..32).map(|i| i % 10).collect();
        if mode == "stock" {
            let net = Stock::new(&map, &ch)?;
            let mut opt = AdamW::new(parameters(&map), AdamWConfig::default()).unwrap();
            let yt = Tensor::new(y.as_slice(), &Device::Cpu)?;
            let mut t = vec![];
            let mut inf = vec![];
            for _ in 0..n {
                let s = Instant::now();
                let loss = candle_nn::loss::cross_entropy(&net.fwd(&x, true)?, &yt)?;
                opt.step(&loss.backward()?, 1e-3).unwrap();
                t.push(s.elapsed().as_secs_f64() * 1e3);
                let s = Instant::now();
                net.fwd(&x, false)?;
                inf.push(s.elapsed().as_secs_f64() * 1e3);
            }
            report(&format!("stock {ch:?} step"), t);
            report(&format!("stock {ch:?} inf32"), inf);
            continue;
        }
        let net = Net::new(&map, &ch)?;
        let mut opt = AdamW::new(parameters(&map), AdamWConfig::default()).unwrap();
        let (mut f, mut bw, mut st, mut i32_, mut i1) = (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..n {
            let s = Instant::now();
            let loss = cross_entropy(
                &net.fwd(&x, true)?,
                Target::Classes(&y),
                &CrossEntropyConfig::default(),
            )?;
            let t1 = s.elapsed().as_secs_f64() * 1e3;
            let g = loss.backward()?;
            let t2 = s.elapsed().as_secs_f64() * 1e3;
            opt.step(&g, 1e-3).unwrap();
            drop(g);
            drop(loss);
            let t3 = s.elapsed().as_secs_f64() * 1e3;
            f.push(t1);
            bw.push(t2 - t1);
            st.push(t3);
            // as a user would: frozen weights are variables still
            let s = Instant::now();
            net.fwd(&x, false)?;
            i32_.push(s.elapsed().as_secs_f64() * 1e3);
            let s = Instant::now();
            for _ in 0..10 {
                net.fwd(&x1, false)?;
            }
            i1.push(s.elapsed().as_secs_f64() * 1e2);
        }
        report(&format!("{ch:?} forward"), f);
        report(&format!("{ch:?} backward"), bw);
        report(&format!("{ch:?} step"), st);
        report(&format!("{ch:?} inf32"), i32_);
        report(&format!("{ch:?} inf1"), i1);
    }
    let (p, q) = (
        Tensor::randn(0f32, 1., (1024, 1024), &Device::Cpu)?,
        Tensor::randn(0f32, 1., (1024, 1024), &Device::Cpu)?,
    );
    for _ in 0..n {
        let s = Instant::now();
        p.matmul(&q)?;
        a.push(s.elapsed().as_secs_f64() * 1e3);
    }
    a.sort_by(f64::total_cmp);
    println!(
        "gemm1024 {:.1} GFLOP/s median {:.1} best",
        2.147 / a[a.len() / 2] * 1e3,
        2.147 / a[0] * 1e3
    );
    Ok(())
}
fn report(name: &str, mut v: Vec<f64>) {
    v.sort_by(f64::total_cmp);
    println!("{name:40} median {:8.2} ms  best {:8.2} ms", v[v.len() / 2], v[0]);
}
