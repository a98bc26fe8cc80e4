import Logging
import NIOCore
import NIOPosix
import RedisClient
import TestSupport

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Opens a connection and waits until it is up.
func connect(_ url: String, on loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()) async throws
    -> RedisHandle
{
    let handle = await RedisHandle.open(try RedisEndpoint(url: url), on: loop, logger: quiet)
    try await eventually("connected to \(url)") { await handle.read { $0.isUp } }
    return handle
}
