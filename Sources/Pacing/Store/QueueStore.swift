/// Where an upstream's queue lives. One agent uses it, on one event loop.
package protocol QueueStore: AnyObject {
    /// Begins to reach the store and tells what happens to it from now on.
    func start(_ onEvent: @escaping (QueueStoreEvent) -> Void)

    /// Carries out a call. Calls are carried out in the order given.
    ///
    /// - Parameter done: called once, on the agent's loop, perhaps before this returns.
    func call(_ call: QueueCall, _ done: @escaping (Result<QueueReply, QueueStoreError>) -> Void)

    func close()
}

package enum QueueStoreEvent: Sendable {
    /// Within reach. `run` names the store's own incarnation: another one may have lost what this one knew.
    case up(run: String)
    case down
    case pushed(QueuePush)
    /// Pushes may have been lost, while calls went on.
    case missed
}

package enum QueueStoreError: Error, Equatable {
    /// No answer within the time that a call has; it may have been carried out.
    case timedOut
    case disconnected
    /// The store answered with an error, or with something that is no answer.
    case failed(String)
}
