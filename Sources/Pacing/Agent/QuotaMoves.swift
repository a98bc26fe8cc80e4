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
