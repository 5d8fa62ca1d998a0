//! Calls into codec crates: what they reject and what they panic on becomes an error of this crate.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;
use std::thread;

use symphonia_core::errors::Error;

use crate::error::DecodeError;
use crate::source::OverBudget;

/// Whose code this thread runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Running {
    /// Not a contained call.
    Caller,
    /// A codec crate: its panics are ours to report.
    Codec,
    /// A reader of the caller that a codec crate reads from: its panics are the caller's.
    Reader,
}

thread_local! {
    static RUNNING: Cell<Running> = const { Cell::new(Running::Caller) };
    /// Whether the panic on its way arose in a reader of the caller.
    static READER_PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// Sets whose code runs, until it is dropped.
struct Guard(Running);

impl Guard {
    fn enter(now: Running) -> Self {
        Self(RUNNING.replace(now))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        RUNNING.set(self.0);
    }
}

/// Keeps the panics of codec crates off stderr. A panic hook belongs to the process, so it is set once and never
/// taken away; it passes on all panics but those of contained calls on their own thread.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    // A thread that unwinds may not touch the hook; then the message is printed, and nothing else differs.
    if thread::panicking() {
        return;
    }
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // A thread that is ending has no thread locals any more, and runs no codec.
            if RUNNING.try_with(Cell::get) != Ok(Running::Codec) {
                previous(panic);
            }
        }));
    });
}

/// Runs code of a codec crate; a panic in it becomes [`DecodeError::Malformed`], and prints nothing.
pub(crate) fn contained<T>(name: &str, run: impl FnOnce() -> T) -> Result<T, DecodeError> {
    install_hook();
    let result = {
        let _guard = Guard::enter(Running::Codec);
        catch_unwind(AssertUnwindSafe(run))
    };
    result.map_err(|panic| {
        let panic: Box<dyn Any + Send> = panic;
        if READER_PANICKED.replace(false) {
            resume_unwind(panic);
        }
        DecodeError::Malformed {
            name: name.to_owned(),
            reason: "its decoder failed on data that no encoder writes".to_owned(),
        }
    })
}

/// Runs a reader of the caller inside a contained call: its panics stay its own, message and all.
pub(crate) fn of_caller<T>(run: impl FnOnce() -> T) -> T {
    let _guard = Guard::enter(Running::Reader);
    READER_PANICKED.set(true);
    let result = run();
    READER_PANICKED.set(false);
    result
}

/// An error of a codec crate as one of this crate.
pub(crate) fn translate(name: &str, error: Error) -> DecodeError {
    let name = name.to_owned();
    match error {
        Error::IoError(source) => {
            if let Some(OverBudget(bytes)) = source.get_ref().and_then(|inner| inner.downcast_ref()) {
                return DecodeError::Limit {
                    name,
                    option: "max_input_bytes",
                    value: "the source".to_owned(),
                    limit: format!("{bytes} bytes"),
                };
            }
            DecodeError::Io { name, source }
        }
        Error::Unsupported(reason) => DecodeError::Unsupported { name, reason: reason.to_owned() },
        Error::DecodeError(reason) | Error::LimitError(reason) => {
            DecodeError::Malformed { name, reason: reason.to_owned() }
        }
        Error::SeekError(_) => {
            DecodeError::Unseekable { name, reason: "its container needs to seek".to_owned() }
        }
        error => DecodeError::Malformed { name, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::{contained, of_caller};
    use crate::DecodeError;

    #[test]
    fn a_panic_of_a_codec_is_an_error() {
        let error = contained("a.mp3", || panic!("index out of range")).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
        assert_eq!(contained("a.mp3", || 7).unwrap(), 7);
    }

    /// Runs one test of this module on its own; what it wrote to stderr.
    fn stderr_of(test: &str) -> String {
        let program = std::env::current_exe().unwrap();
        let name = format!("contained::tests::{test}");
        let run =
            std::process::Command::new(program).args(["--exact", &name, "--nocapture"]).output().unwrap();
        assert!(run.status.success());
        assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"), "{name}");
        String::from_utf8_lossy(&run.stderr).into_owned()
    }

    #[test]
    fn only_panics_of_the_caller_are_printed() {
        assert_eq!(stderr_of("a_panic_of_a_codec_is_an_error"), "");
        let printed = stderr_of("a_panic_of_the_callers_reader_stays_his");
        assert_eq!(printed.matches("panicked at").count(), 1, "{printed}");
        assert!(printed.contains("a reader of the caller"), "{printed}");
    }

    #[test]
    fn a_panic_of_the_callers_reader_stays_his() {
        let outcome = catch_unwind(|| contained("a.mp3", || of_caller(|| panic!("a reader of the caller"))));
        let payload = outcome.unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"a reader of the caller"));
        // Nothing of it is left behind.
        assert!(contained("a.mp3", || panic!("a codec")).is_err());
    }
}
