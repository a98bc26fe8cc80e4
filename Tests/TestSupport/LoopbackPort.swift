internal import Foundation
internal import Synchronization

/// Ports that this process gave out: another test may not have bound its own yet.
private let givenOut = Mutex<Set<Int>>([])

/// Below those that the kernel gives to outgoing connections (`ip_local_port_range`): one of them could take a port between
/// its choice and its use.
private let portRange = 10_000..<32_768

/// A TCP port on 127.0.0.1 that nobody listens on, given out once per test process.
package func freePort() -> Int {
    while true {
        let port = Int.random(in: portRange)
        if givenOut.withLock({ $0.insert(port).inserted }), isUnbound(port) { return port }
    }
}

/// Whether somebody listens on the loopback port. The kernel answers for a paused process too.
package func accepts(port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = loopback(port: port)
    return withSocketAddress(&address) { connect(descriptor, $0, $1) } == 0
}

private func isUnbound(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    precondition(descriptor >= 0, "no socket: errno \(errno)")
    defer { close(descriptor) }
    var address = loopback(port: port)
    return withSocketAddress(&address) { bind(descriptor, $0, $1) } == 0
}

private func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
    return address
}

private func withSocketAddress(
    _ address: inout sockaddr_in,
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
}
