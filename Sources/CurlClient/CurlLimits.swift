/// How many connections one client opens and how long it keeps them. Per client, so per event loop.
package struct CurlLimits: Sendable, Equatable {
    /// Connections to one host and port; 0: no limit. A transfer above it waits inside libcurl, which counts
    /// towards its first-byte time-out, not its connect time-out.
    package var connectionsPerHost: Int
    /// Idle connections kept, to all hosts together; the longest idle is closed first.
    package var idleConnections: Int
    /// HTTP/2 streams on one connection, where the server allows as many.
    package var streamsPerConnection: Int
    /// A connection idle for longer is not used again. Shorter than the time-outs of the servers met: 60 s with
    /// AWS load balancers and HAProxy's usual settings, 75 s with nginx, minutes with Google. Whole seconds.
    package var idleAge: Duration
    /// A connection older than this takes no new transfer, so that a change in DNS is followed. Whole seconds.
    package var lifetime: Duration

    package init(
        connectionsPerHost: Int = 0,
        idleConnections: Int = 512,
        streamsPerConnection: Int = 100,
        idleAge: Duration = .seconds(50),
        lifetime: Duration = .seconds(3600)
    ) {
        self.connectionsPerHost = connectionsPerHost
        self.idleConnections = idleConnections
        self.streamsPerConnection = streamsPerConnection
        self.idleAge = idleAge
        self.lifetime = lifetime
    }
}
