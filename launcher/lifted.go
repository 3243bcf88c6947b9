package launcher

import (
	"io/fs"
	"os"
	"slices"
	"strings"

	"ward/launcher/audit"
	"ward/sandbox"
)

// covered is what masks are about to lie on. The kernel takes a mount away in every namespace once the file or directory
// under it is removed outside, or another is renamed over it: that is how `git config` and editors write. From then on
// the new one is as open to the command as what is around it.
func (p *Plan) covered() map[string]fs.FileInfo {
	under := map[string]fs.FileInfo{}
	for _, m := range p.Policy.Inside() {
		if info, err := os.Lstat(m.Path); err == nil {
			under[m.Path] = info
		}
	}
	return under
}

// bares says whether a mask is the only one that keeps its path.
func (p *Plan) bares(m sandbox.Mask) bool {
	want := sandbox.Read
	if m.Fixed {
		want = sandbox.Write
	}
	rest := sandbox.Policy{Rules: p.Policy.Rules, Masks: slices.Clone(p.Policy.Masks)}
	rest.Masks = slices.DeleteFunc(rest.Masks, func(o sandbox.Mask) bool { return o.Path == m.Path })
	return rest.Explain(m.Path, want).Allowed || want == sandbox.Read && rest.Explain(m.Path, sandbox.Write).Allowed
}

// lifted names the masks that were lost on the way. One whose new file has the number of the old one is not noticed.
func (s *session) lifted() {
	var lost []string
	for _, m := range s.plan.Policy.Inside() {
		was, now := s.under[m.Path], fs.FileInfo(nil)
		if was != nil {
			now, _ = os.Lstat(m.Path)
			delete(s.under, m.Path)
		}
		if now != nil && !os.SameFile(was, now) && s.plan.bares(m) {
			lost = append(lost, Clean(m.Path))
			s.record(audit.Event{Event: "lifted", What: m.Path})
		}
	}
	if len(lost) > 0 && !s.opt.Silent {
		s.say("replaced from outside, and no longer kept from the command since: %s; look at it", strings.Join(lost, ", "))
	}
}
