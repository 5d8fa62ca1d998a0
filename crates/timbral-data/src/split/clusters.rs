use std::collections::HashMap;
use std::fmt::Display;

use crate::track::TrackInfo;
use crate::{DataError, Leak};

/// Disjoint sets of names.
#[derive(Debug, Default)]
struct Union<'a> {
    index: HashMap<(bool, &'a str), usize>,
    parent: Vec<usize>,
}

impl<'a> Union<'a> {
    fn node(&mut self, is_group: bool, name: &'a str) -> usize {
        *self.index.entry((is_group, name)).or_insert_with(|| {
            self.parent.push(self.parent.len());
            self.parent.len() - 1
        })
    }

    fn root(&mut self, mut node: usize) -> usize {
        while self.parent[node] != node {
            self.parent[node] = self.parent[self.parent[node]];
            node = self.parent[node];
        }
        node
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }
}

/// Tracks that must stay together, as lists of indices: those of one group, and those that hold one recording.
pub(super) fn clusters(tracks: &[&TrackInfo]) -> Vec<Vec<usize>> {
    let groups: Vec<String> = tracks.iter().map(|t| t.group_key()).collect();
    let mut union = Union::default();
    let mut nodes = Vec::with_capacity(tracks.len());
    for (track, group) in tracks.iter().zip(&groups) {
        let node = union.node(false, &track.track_id);
        let group = union.node(true, group);
        union.unite(node, group);
        if let Some(other) = &track.repeat_of {
            let other = union.node(false, other);
            union.unite(node, other);
        }
        nodes.push(node);
    }
    let mut position: HashMap<usize, usize> = HashMap::new();
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    for (i, node) in nodes.into_iter().enumerate() {
        let root = union.root(node);
        let at = *position.entry(root).or_insert_with(|| {
            clusters.push(Vec::new());
            clusters.len() - 1
        });
        clusters[at].push(i);
    }
    clusters
}

/// Fails where two tracks of one key lie in different parts (or folds).
fn check_key<P: Copy + PartialEq + Display>(
    kind: &'static str,
    assigned: &[(&TrackInfo, P)],
    keys: &[String],
) -> Result<(), DataError> {
    let mut first: HashMap<&str, (&TrackInfo, P)> = HashMap::new();
    for ((track, part), key) in assigned.iter().zip(keys) {
        let (first_track, first_part) = *first.entry(key).or_insert((track, *part));
        if first_part != *part {
            return Err(DataError::Leak(Box::new(Leak {
                kind,
                name: key.clone(),
                first: first_part.to_string(),
                first_track: first_track.track_id.clone(),
                second: part.to_string(),
                second_track: track.track_id.clone(),
            })));
        }
    }
    Ok(())
}

pub(super) fn check_groups<P: Copy + PartialEq + Display>(
    assigned: &[(&TrackInfo, P)],
) -> Result<(), DataError> {
    let keys: Vec<String> = assigned.iter().map(|(t, _)| t.group_key()).collect();
    check_key("group", assigned, &keys)
}

pub(super) fn check_recordings<P: Copy + PartialEq + Display>(
    assigned: &[(&TrackInfo, P)],
) -> Result<(), DataError> {
    let mut union = Union::default();
    let mut nodes = Vec::with_capacity(assigned.len());
    for (track, _) in assigned {
        let node = union.node(false, &track.track_id);
        if let Some(other) = &track.repeat_of {
            let other = union.node(false, other);
            union.unite(node, other);
        }
        nodes.push(node);
    }
    let names: HashMap<usize, &str> = union.index.iter().map(|((_, name), node)| (*node, *name)).collect();
    let keys: Vec<String> = nodes
        .into_iter()
        .map(|node| names.get(&union.root(node)).copied().unwrap_or_default().to_owned())
        .collect();
    check_key("recording", assigned, &keys)
}
