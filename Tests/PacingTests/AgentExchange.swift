import Pacing

extension AgentState {
    /// All that it has to say to the store, with the answers, at one time.
    mutating func exchange(with store: inout QueueState, now: Micros) {
        flush()
        while !calls.isEmpty {
            let asked = calls
            calls = []
            for call in asked { receive(store.call(call, now: now).reply, sent: now, now: now) }
            flush()
        }
    }
}
