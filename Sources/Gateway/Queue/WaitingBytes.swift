internal import Synchronization

/// Bytes of bodies that are kept while their calls wait for one upstream's slots, over all loops of this replica.
package final class WaitingBytes: Sendable {
    private let value = Atomic<Int>(0)

    package init() {}

    package var count: Int { value.load(ordering: .relaxed) }

    /// - Returns: `false`, and takes nothing, where that would be more than allowed.
    package func take(_ bytes: Int, atMost limit: Int) -> Bool {
        let taken = value.wrappingAdd(bytes, ordering: .relaxed).newValue
        if taken <= limit { return true }
        value.wrappingSubtract(bytes, ordering: .relaxed)
        return false
    }

    /// For a call that goes back to the queue: it was let in once.
    package func takeAnyway(_ bytes: Int) { value.wrappingAdd(bytes, ordering: .relaxed) }

    package func giveBack(_ bytes: Int) { value.wrappingSubtract(bytes, ordering: .relaxed) }
}
