use std::path::PathBuf;

use rayon::prelude::*;

use crate::{Classifier, Error, Verdict};

impl Classifier {
    /// Classifies files with `threads` at a time (0: one for each core), and calls `done` with each verdict as it comes,
    /// in no fixed order. The index is the place in `paths`.
    ///
    /// # Errors
    /// [`Error::Threads`] when the threads cannot be started. What goes wrong with a file goes to `done`.
    pub fn classify_files(
        &self,
        paths: &[PathBuf],
        threads: usize,
        done: impl Fn(usize, Result<Verdict, Error>) + Sync,
    ) -> Result<(), Error> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| Error::Threads(e.to_string()))?;
        pool.install(|| {
            paths.par_iter().enumerate().for_each(|(index, path)| done(index, self.classify_file(path)));
        });
        Ok(())
    }
}
