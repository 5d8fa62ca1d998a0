use timbral_model::Network;
use timbral_nn::softmax;

use super::data::SpectrogramSet;
use crate::TrainError;

/// Class probabilities of whole tracks, one row each, as a network gives them in use.
///
/// # Errors
/// [`TrainError::Shape`] for an unknown track, [`TrainError::Tensor`] when the network does not take the spectrograms.
pub fn predict(
    network: &dyn Network,
    data: &SpectrogramSet,
    tracks: &[usize],
) -> Result<Vec<Vec<f32>>, TrainError> {
    data.check(tracks)?;
    tracks
        .iter()
        .map(|&track| {
            let scores = network.forward_t(&data.whole(track)?, false)?;
            Ok(softmax(&scores, 1)?.squeeze(0)?.to_vec1()?)
        })
        .collect()
}

/// Mean cross-entropy and accuracy over whole tracks.
pub(super) fn judge(
    network: &dyn Network,
    data: &SpectrogramSet,
    tracks: &[usize],
) -> Result<(f64, f64), TrainError> {
    let (mut loss, mut right) = (0.0, 0);
    for (row, &track) in predict(network, data, tracks)?.iter().zip(tracks) {
        let class = data.class(track);
        // A probability below what a number can hold still has a finite loss.
        loss -= f64::from(row[class].max(f32::MIN_POSITIVE)).ln();
        right += usize::from(strongest(row) == class);
    }
    let count = tracks.len() as f64;
    Ok((loss / count, right as f64 / count))
}

/// The first of the largest values.
pub(super) fn strongest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}
