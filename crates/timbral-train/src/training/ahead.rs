use std::sync::mpsc::sync_channel;

use crate::TrainError;

/// Gives `body` what `make` makes of each item, in their order.
///
/// With `ahead` above 0 they are made on a thread of their own while `body` works; at most `ahead` wait, and one more is in
/// the making. What is made does not depend on it. An error is the last one given.
pub(super) fn made_ahead<I, T, R>(
    items: I,
    ahead: usize,
    make: impl Fn(I::Item) -> Result<T, TrainError> + Send,
    body: impl FnOnce(&mut dyn Iterator<Item = Result<T, TrainError>>) -> Result<R, TrainError>,
) -> Result<R, TrainError>
where
    I: Iterator + Send,
    T: Send,
{
    if ahead == 0 {
        return body(&mut items.map(make));
    }
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(ahead);
        let maker = scope.spawn(move || {
            for item in items {
                let made = make(item);
                let failed = made.is_err();
                // Nobody listens once the body has ended early.
                if sender.send(made).is_err() || failed {
                    break;
                }
            }
        });
        let result = {
            let mut made = receiver.into_iter();
            body(&mut made)
        };
        // A thread that panicked has printed why, and the body has seen too few.
        maker.join().map_err(|_| TrainError::Stopped)?;
        result
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn order_and_bound_are_kept_and_an_end_ends_both_sides() {
        for ahead in [0, 1, 3, 100] {
            let made = AtomicUsize::new(0);
            let make = |item: usize| {
                made.fetch_add(1, Ordering::SeqCst);
                Ok(item * item)
            };
            let all = made_ahead(0..20, ahead, make, |squares| {
                let mut all = Vec::new();
                for square in &mut *squares {
                    all.push(square?);
                    // Those that wait, the one in the making, and what was taken.
                    assert!(made.load(Ordering::SeqCst) <= all.len() + ahead + 1);
                }
                Ok(all)
            });
            assert_eq!(all.unwrap(), (0..20).map(|i| i * i).collect::<Vec<_>>());
            let first =
                made_ahead(0.., ahead, make, |squares| squares.take(3).collect::<Result<Vec<_>, _>>());
            assert_eq!(first.unwrap(), [0, 1, 4]);
        }
    }

    #[test]
    fn a_fault_is_told_in_its_place() {
        for ahead in [0, 2] {
            let make = |item: usize| {
                if item == 3 { Err(TrainError::config("item", item, "other than 3")) } else { Ok(item) }
            };
            let mut seen = 0;
            let error = made_ahead(0..9, ahead, make, |items| {
                for item in items {
                    seen = item?;
                }
                Ok(())
            });
            assert!(error.unwrap_err().to_string().contains("must be other than 3"));
            assert_eq!(seen, 2);
        }
    }
}
