import Foundation
import Gateway
import NIOCore
import Testing

@Suite("Who calls")
struct IdentifyTests {
    private func addresses(_ ranges: String...) -> ForwardedAddress {
        ForwardedAddress(trusted: ranges.compactMap { AddressRange($0) })
    }

    @Test("X-Forwarded-For of a stranger is not believed")
    func stranger() {
        #expect(addresses("10.0.0.0/8").caller(peer: "203.0.113.9", forwardedFor: "1.2.3.4") == "203.0.113.9")
    }

    @Test("Trusted hops are skipped from the right; the first that is not trusted is the caller")
    func hops() {
        let trusted = addresses("10.0.0.0/8")
        #expect(trusted.caller(peer: "10.0.0.1", forwardedFor: "6.6.6.6, 198.51.100.7, 10.0.0.2") == "198.51.100.7")
        #expect(trusted.caller(peer: "10.0.0.1", forwardedFor: "10.0.0.3") == "10.0.0.3")
    }

    @Test("What is no address ends the chain")
    func garbage() {
        #expect(addresses("10.0.0.0/8").caller(peer: "10.0.0.1", forwardedFor: "1.2.3.4, unknown") == "10.0.0.1")
    }

    @Test("Ports are taken off", arguments: [("1.2.3.4:567", "1.2.3.4"), ("[2001:db8::1]:80", "2001:db8::1")])
    func ports(written: String, meant: String) {
        #expect(addresses("10.0.0.0/8").caller(peer: "10.0.0.1", forwardedFor: written) == meant)
    }

    @Test("An IPv6 caller is its /64")
    func network() {
        let one = AddressRange.limitIdentity(of: "2001:db8:1:2:3:4:5:6")
        let other = AddressRange.limitIdentity(of: "2001:db8:1:2:ffff::1")
        #expect(one == other)
        #expect(AddressRange.limitIdentity(of: "192.0.2.7") == "192.0.2.7")
    }

    @Test("Urgency is read from Priority", arguments: [("u=0", 0), ("i, u=5", 5), ("u=7;x", 7)])
    func urgency(field: String, urgency: Int) {
        #expect(UrgencyField.urgency(ByteBuffer(string: field).readableBytesView) == urgency)
    }

    @Test("What is no urgency is none", arguments: ["u=8", "u=", "u=12", "i", "urgent"])
    func noUrgency(field: String) {
        #expect(UrgencyField.urgency(ByteBuffer(string: field).readableBytesView) == nil)
    }

    @Test("An anonymous caller keeps the id that its signed cookie names")
    func cookie() throws {
        var random = SystemRandomNumberGenerator()
        let first = AnonymousIdentity.of(cookies: nil, secret: "s", isSecure: false, random: &random)
        let cookie = try #require(first.setCookie?.split(separator: ";").first.map(String.init))
        let again = AnonymousIdentity.of(cookies: "a=b; " + cookie, secret: "s", isSecure: false, random: &random)
        #expect(again == AnonymousIdentity.of(cookies: cookie, secret: "s", isSecure: false, random: &random))
        #expect(again.user == first.user)
        #expect(again.setCookie == nil)
    }

    @Test("A cookie that another secret signed, or that was changed, is as none")
    func forged() throws {
        var random = SystemRandomNumberGenerator()
        let first = AnonymousIdentity.of(cookies: nil, secret: "s", isSecure: true, random: &random)
        let cookie = try #require(first.setCookie?.split(separator: ";").first.map(String.init))
        #expect(first.setCookie?.contains("HttpOnly") == true)
        #expect(first.setCookie?.contains("Secure") == true)
        let other = AnonymousIdentity.of(cookies: cookie, secret: "other", isSecure: true, random: &random)
        #expect(other.user != first.user)
        let changed = cookie.replacingOccurrences(of: "anon-", with: "anon-0")
        #expect(AnonymousIdentity.of(cookies: changed, secret: "s", isSecure: true, random: &random).user != first.user)
    }
}
