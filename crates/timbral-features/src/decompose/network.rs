//! Sliding medians as one straight program of minima and maxima.
//!
//! A block of `g` neighbouring windows (`g` a power of two) shares its inner elements. They are sorted once by a
//! network; then the block is halved, each half adds the `g / 2` elements that its windows share beyond those, sorted
//! and merged, and so on until one window is left. At every step only the ranks that can still become the median
//! are kept: `g` of them while `g - 1` elements are missing. Sorting and merging are Batcher's odd-even networks
//! (Knuth, The Art of Computer Programming, vol. 3, section 5.3.4), so there is no branch on data: every
//! instruction works on many signals side by side. The cost of an output grows with the square of the logarithm
//! of the kernel, not with the kernel.

/// One instruction; numbers are wires, except where said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// Reads the element at this offset from the first element of the block's first window.
    Load {
        wire: u32,
        offset: u32,
    },
    Copy {
        to: u32,
        from: u32,
    },
    /// Smaller value to `low`, larger one to `high`.
    Exchange {
        low: u32,
        high: u32,
    },
    /// Smaller value to `low`; `high` is not needed any more.
    Min {
        low: u32,
        high: u32,
    },
    /// Larger value to `high`; `low` is not needed any more.
    Max {
        low: u32,
        high: u32,
    },
    /// The median of window number `output` of the block is on this wire.
    Store {
        wire: u32,
        output: u32,
    },
}

/// The program for blocks of [`outputs`](Self::outputs) windows.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) ops: Vec<Op>,
    pub(super) wires: usize,
    /// Windows of a block.
    pub(super) outputs: usize,
}

/// Larger blocks save little and make long programs.
const MAX_BLOCK: usize = 64;

impl Program {
    /// The program for medians of `kernel >= 1` elements; of an even number the upper middle one.
    pub(super) fn median(kernel: usize) -> Self {
        let outputs = (1 << (kernel.div_ceil(2).ilog2())).min(MAX_BLOCK);
        let mut builder = Builder { kernel, rank: kernel / 2, ops: Vec::new(), next: 0, wires: 0 };
        let core = builder.load(outputs - 1, kernel);
        let core = builder.sort(core);
        builder.block(0, outputs, &core, 0);
        let ops = prune(builder.ops, builder.wires as usize);
        Self { ops, wires: builder.wires as usize, outputs }
    }
}

struct Builder {
    kernel: usize,
    rank: usize,
    ops: Vec<Op>,
    next: u32,
    wires: u32,
}

impl Builder {
    fn wire(&mut self) -> u32 {
        let wire = self.next;
        self.next += 1;
        self.wires = self.wires.max(self.next);
        wire
    }

    fn load(&mut self, from: usize, to: usize) -> Vec<u32> {
        (from..to)
            .map(|offset| {
                let wire = self.wire();
                self.ops.push(Op::Load { wire, offset: offset as u32 });
                wire
            })
            .collect()
    }

    /// Emits the medians of the windows `first..first + count`, given the sorted elements common to all of them.
    /// `sorted[0]` has rank `lowest` among these elements.
    fn block(&mut self, first: usize, count: usize, sorted: &[u32], lowest: usize) {
        // An element of rank j ends between ranks j and j + count - 1 of the whole window.
        let from = self.rank.saturating_sub(count - 1).max(lowest) - lowest;
        let to = (self.rank + 1 - lowest).min(sorted.len());
        let (kept, lowest) = (&sorted[from..to], lowest + from);
        if count == 1 {
            self.ops.push(Op::Store { wire: kept[0], output: first as u32 });
            return;
        }
        let half = count / 2;
        let left = (first, first + half - 1, first + count - 1);
        let right = (first + half, first + self.kernel, first + self.kernel + half);
        for (first, begin, end) in [left, right] {
            let mark = self.next;
            let extra = self.load(begin, end);
            let extra = self.sort(extra);
            let copies = kept
                .iter()
                .map(|&from| {
                    let to = self.wire();
                    self.ops.push(Op::Copy { to, from });
                    to
                })
                .collect::<Vec<_>>();
            let merged = self.merge(&copies, &extra);
            self.block(first, half, &merged, lowest);
            self.next = mark;
        }
    }

    fn sort(&mut self, wires: Vec<u32>) -> Vec<u32> {
        if wires.len() < 2 {
            return wires;
        }
        let (left, right) = wires.split_at(wires.len() / 2);
        let (left, right) = (self.sort(left.to_vec()), self.sort(right.to_vec()));
        self.merge(&left, &right)
    }

    /// Merges two sorted lists of wires; the answer names the same wires in their new order.
    fn merge(&mut self, a: &[u32], b: &[u32]) -> Vec<u32> {
        match (a, b) {
            ([], rest) | (rest, []) => return rest.to_vec(),
            (&[low], &[high]) => {
                self.ops.push(Op::Exchange { low, high });
                return vec![low, high];
            }
            _ => {}
        }
        let every_other = |list: &[u32], first: usize| list.iter().copied().skip(first).step_by(2).collect();
        let (a_even, b_even): (Vec<_>, Vec<_>) = (every_other(a, 0), every_other(b, 0));
        let (a_odd, b_odd): (Vec<_>, Vec<_>) = (every_other(a, 1), every_other(b, 1));
        let even = self.merge(&a_even, &b_even);
        let odd = self.merge(&a_odd, &b_odd);
        let mut merged = vec![even[0]];
        for i in 0..odd.len().max(even.len() - 1) {
            match (odd.get(i), even.get(i + 1)) {
                (Some(&low), Some(&high)) => {
                    self.ops.push(Op::Exchange { low, high });
                    merged.extend([low, high]);
                }
                (Some(&wire), None) | (None, Some(&wire)) => merged.push(wire),
                (None, None) => {}
            }
        }
        merged
    }
}

/// Drops what no median depends on.
fn prune(ops: Vec<Op>, wires: usize) -> Vec<Op> {
    let mut live = vec![false; wires];
    let mut kept = Vec::with_capacity(ops.len());
    for op in ops.into_iter().rev() {
        let needed = match op {
            Op::Store { wire, .. } => {
                live[wire as usize] = true;
                Some(op)
            }
            Op::Load { wire, .. } => std::mem::take(&mut live[wire as usize]).then_some(op),
            Op::Copy { to, from } => std::mem::take(&mut live[to as usize]).then(|| {
                live[from as usize] = true;
                op
            }),
            Op::Exchange { low, high } | Op::Min { low, high } | Op::Max { low, high } => {
                let narrowed = match (live[low as usize], live[high as usize]) {
                    (true, true) => Some(op),
                    (true, false) => Some(Op::Min { low, high }),
                    (false, true) => Some(Op::Max { low, high }),
                    (false, false) => None,
                };
                if narrowed.is_some() {
                    live[low as usize] = true;
                    live[high as usize] = true;
                }
                narrowed
            }
        };
        kept.extend(needed);
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network that sorts every sequence of zeros and ones sorts everything; for medians likewise.
    #[test]
    fn every_zero_one_input_of_small_kernels() {
        for kernel in 1..=12_usize {
            let program = Program::median(kernel);
            let length = kernel + program.outputs - 1;
            for bits in 0..1_u32 << length {
                let mut wires = vec![0; program.wires];
                for &op in &program.ops {
                    match op {
                        Op::Load { wire, offset } => wires[wire as usize] = bits >> offset & 1,
                        Op::Copy { to, from } => wires[to as usize] = wires[from as usize],
                        Op::Exchange { low, high } => {
                            let (a, b) = (wires[low as usize], wires[high as usize]);
                            wires[low as usize] = a.min(b);
                            wires[high as usize] = a.max(b);
                        }
                        Op::Min { low, high } => {
                            wires[low as usize] = wires[low as usize].min(wires[high as usize]);
                        }
                        Op::Max { low, high } => {
                            wires[high as usize] = wires[low as usize].max(wires[high as usize]);
                        }
                        Op::Store { wire, output } => {
                            let window = bits >> output & ((1 << kernel) - 1);
                            let zeros = kernel - window.count_ones() as usize;
                            assert_eq!(
                                wires[wire as usize],
                                u32::from(zeros <= kernel / 2),
                                "{kernel} {bits:b}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn work_for_one_output_hardly_grows() {
        let work = |kernel| {
            let program = Program::median(kernel);
            program.ops.len() as f64 / program.outputs as f64
        };
        assert!(work(31) < 40.0, "{}", work(31));
        assert!(work(127) < 2.0 * work(31), "{} {}", work(127), work(31));
    }
}
