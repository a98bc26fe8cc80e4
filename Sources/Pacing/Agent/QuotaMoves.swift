/// How far fairness moved one quota's calls before or behind where first-come order would have put them.
///
/// Counted at each grant of this replica, since its start: what went before the call from the moment it entered, against
/// what waited then and did not leave. Sum over replicas for the whole.
package struct QuotaMoves: Sendable, Equatable {
    /// The quota's name, without a model's.
    package var quota: String
    /// Calls that were served before their first-come place, and by how many places in all.
    package var before = 0
    package var placesBefore = 0
    /// Calls that were served behind it, and by how many places in all.
    package var behind = 0
    package var placesBehind = 0

    package init(quota: String) { self.quota = quota }
}

extension AgentState {
    /// What went before the call since it entered, against what waited then.
    mutating func countMoves(_ waiting: Waiting, _ stamp: GrantStamp) {
        guard let arrival = waiting.arrival, arrival.epoch == stamp.epoch else { return }
        for (figures, (entered, gone)) in zip(waiting.waiter.lane.buckets, zip(arrival.counts, stamp.gone)) {
            let quota = BucketName.quota(of: figures.name)
            var moves = moves[quota] ?? QuotaMoves(quota: quota)
            if gone > entered {
                moves.behind += 1
                moves.placesBehind += gone - entered
            } else if gone < entered {
                moves.before += 1
                moves.placesBefore += entered - gone
            }
            self.moves[quota] = moves
        }
    }
}
