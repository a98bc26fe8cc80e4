package import NIOCore

/// How a process caches.
package struct CacheSettings: Sendable {
    /// Bytes of the memory tier, with overhead.
    package var memory: Int
    /// Bytes of an answer's fields and body; larger ones are not cached.
    package var maximumEntry: Int
    /// All keys in Redis begin with it.
    package var prefix: String
    /// Of one Redis command on a request's way.
    package var redisTimeout: TimeAmount

    /// A leader that did not renew for so long is taken for dead.
    package var lockExpiry = TimeAmount.seconds(3)
    /// How often a leader renews.
    package var renewal = TimeAmount.seconds(1)
    /// How often a waiting replica looks by itself, a quarter more or less.
    package var poll = TimeAmount.seconds(1)
    /// A replica that did not look for so long no longer counts as waiting.
    package var waiterExpiry = TimeAmount.seconds(3)
    /// For how long a leader's last word stays for those who waited.
    package var lastWordExpiry = TimeAmount.seconds(5)
    /// How long a lane leaves Redis alone after a command that was not answered in time.
    package var redisRest = TimeAmount.milliseconds(500)

    package init(memory: Int, maximumEntry: Int, prefix: String, redisTimeout: TimeAmount = .milliseconds(50)) {
        self.memory = memory
        self.maximumEntry = maximumEntry
        self.prefix = prefix
        self.redisTimeout = redisTimeout
    }
}
