package import NIOCore

/// A call's two clocks, both from arrival: the slot's and the call's end.
package struct CallDeadlines: Equatable {
    package let slot: Deadline
    /// `nil`: none.
    package let end: Deadline?

    package init(
        arrival: NIODeadline,
        route: RoutePlan,
        preferences: RequestPreferences
    ) {
        self.init(
            arrival: arrival,
            maxWait: route.upstream.maxWait,
            timeout: route.timeout.map { ($0, "timeout of route \"\(route.name)\"") }
                ?? route.upstream.timeout.map { ($0, "timeout of upstream \"\(route.upstream.name)\"") },
            preferences: preferences
        )
    }

    /// - Parameter timeout: the route's, else the upstream's, and the setting's name.
    package init(
        arrival: NIODeadline,
        maxWait: Duration,
        timeout: (Duration, String)?,
        preferences: RequestPreferences
    ) {
        var end: Deadline?
        if let (time, setting) = timeout { end = Deadline(at: arrival + TimeAmount(time), setting: setting) }
        if let seconds = preferences.serverTimeout {
            let own = Deadline(at: arrival + .nanoseconds(Int64(seconds * 1e9)), setting: "X-Server-Timeout")
            if end.map({ own.at < $0.at }) ?? true { end = own }
        }
        var slot = Deadline(at: arrival + TimeAmount(maxWait), setting: "upstream.queue.max_wait")
        if let wait = preferences.wait {
            let own = Deadline(at: arrival + .seconds(Int64(wait)), setting: "Prefer: wait=\(wait)")
            if own.at < slot.at { slot = own }
        }
        if let end, end.at < slot.at { slot = end }
        self.slot = slot
        self.end = end
    }
}
