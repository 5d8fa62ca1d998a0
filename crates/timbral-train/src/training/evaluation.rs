use ndarray::Array2;
use timbral_model::Network;
use timbral_nn::softmax;

use super::data::SpectrogramSet;
use crate::TrainError;

/// Class probabilities of whole tracks, shape (tracks, classes), as a network gives them when it is served.
///
/// # Errors
/// [`TrainError::Shape`] for an unknown track, [`TrainError::Tensor`] when the network does not take the spectrograms.
pub fn predict(
    network: &dyn Network,
    data: &SpectrogramSet,
    tracks: &[usize],
) -> Result<Array2<f32>, TrainError> {
    data.check(tracks)?;
    let classes = data.labels().len();
    let mut values = Vec::with_capacity(tracks.len() * classes);
    for &track in tracks {
        let scores = network.forward_t(&data.whole(track)?, false)?;
        values.extend(softmax(&scores, 1)?.squeeze(0)?.to_vec1::<f32>()?);
    }
    Array2::from_shape_vec((tracks.len(), classes), values).map_err(|e| {
        TrainError::shape("probabilities", e.to_string(), "there must be one per track and class")
    })
}

/// Mean cross-entropy and accuracy over whole tracks.
pub(super) fn judge(
    network: &dyn Network,
    data: &SpectrogramSet,
    tracks: &[usize],
) -> Result<(f64, f64), TrainError> {
    let (mut loss, mut right) = (0.0, 0);
    for (row, &track) in predict(network, data, tracks)?.rows().into_iter().zip(tracks) {
        let class = data.class(track);
        // A probability below what a number can hold still has a finite loss.
        loss -= f64::from(row[class].max(f32::MIN_POSITIVE)).ln();
        right += usize::from(strongest(&row.to_vec()) == class);
    }
    let count = tracks.len() as f64;
    Ok((loss / count, right as f64 / count))
}

/// The first of the largest values.
pub(super) fn strongest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}
