package api

import (
	"context"
	"net/http"
	"time"

	"vigil/ledger/account"
	"vigil/ledger/noun"
	"vigil/node/board"
)

type userPath struct {
	ID string `path:"id" maxLength:"64" doc:"User id, or a unique prefix of it"`
}

type ofUser[T any] struct {
	ID   string `path:"id" maxLength:"64"`
	Body T
}

func (s *Server) userRoutes() {
	route(s, http.MethodPost, "/v1/users", "addUser", "Add a person; the code to enrol by is in this answer only", governors, s.addUser, takesTwo(account.ActUsers))
	route(s, http.MethodGet, "/v1/users", "listUsers", "People, the removed ones too", operators, func(ctx context.Context, _ *none) (*body[[]User], error) {
		all, err := s.cfg.Board.Users(ctx)
		out := []User{}
		for i := range all {
			out = append(out, showUser(&all[i]))
		}
		return &body[[]User]{out}, err
	})
	route(s, http.MethodGet, "/v1/users/{id}", "getUser", "One person", operators, func(ctx context.Context, in *userPath) (*body[User], error) {
		u, err := s.cfg.Board.User(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &body[User]{showUser(&u)}, nil
	})
	route(s, http.MethodPost, "/v1/users/{id}/change", "changeUser", "Change how a person is shown, or their roles", governors, s.changeUser, takesTwo(account.ActUsers))
	route(s, http.MethodPost, "/v1/users/{id}/invitation", "inviteUser", "Give a person another code to enrol by", governors, s.inviteUser, takesTwo(account.ActUsers))
	route(s, http.MethodPost, "/v1/users/{id}/removal", "removeUser", "Remove a person; their sessions end at once", governors, s.removeUser)
}

func showUser(u *board.Folded[*account.User]) User {
	x := u.Object
	out := User{ID: u.Key.ID(account.UserIDs), Name: x.Name, Display: x.Display, Roles: x.Roles, Added: u.Authored, Removed: x.Removed, Reason: x.Reason, SignsIn: []Credential{}}
	for _, c := range x.Credentials {
		out.SignsIn = append(out.SignsIn, Credential{Kind: string(c.Kind), Label: c.Label})
	}
	if x.Code.Hash != ([32]byte{}) {
		until := time.Unix(x.Code.Until, 0).UTC()
		out.Until = &until
	}
	return out
}

// withCode shows a person with the code that was just made for them.
func (s *Server) withCode(ctx context.Context, id, code string) (*body[User], error) {
	u, err := s.cfg.Board.User(ctx, id)
	if err != nil {
		return nil, err
	}
	out := showUser(&u)
	out.Code = code
	return &body[User]{out}, nil
}

func hours(n int) time.Duration {
	if n == 0 {
		n = defaultHours
	}
	return time.Duration(n) * time.Hour
}

func (s *Server) addUser(ctx context.Context, in *body[NewUser]) (*body[User], error) {
	s.naming.Lock() // of two people added at once with one name the second is refused
	defer s.naming.Unlock()
	if _, taken := s.accounts.UserByName(ctx, in.Body.Name); taken {
		return nil, problem(http.StatusConflict, "exists", "somebody with this name may sign in already", "choose another name")
	}
	if in.Body.Subject != "" {
		if _, taken := s.accounts.UserByCredential(ctx, account.Provider, []byte(in.Body.Subject)); taken {
			return nil, problem(http.StatusConflict, "exists", "somebody with this subject may sign in already", "")
		}
	}
	all, err := s.cfg.Board.Users(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) >= maxUsers {
		return nil, problem(http.StatusConflict, "too-many-users", "this agency has as many users as it may have", "removed ones count, too")
	}
	text, code := newCode(hours(in.Body.Hours))
	f := &account.Added{Name: in.Body.Name, Display: in.Body.Display, Roles: noun.Set(in.Body.Roles), Subject: in.Body.Subject, Code: code}
	key, err := s.accounts.writeAgreed(ctx, account.UserCodec, account.TypeAdded, f)
	if err != nil {
		return nil, err
	}
	return s.withCode(ctx, key.ID(account.UserIDs), text)
}

// known returns a person who is not removed.
func (s *Server) known(ctx context.Context, id string) (board.Folded[*account.User], error) {
	u, err := s.cfg.Board.User(ctx, id)
	if err == nil && u.Object.Removed {
		err = noun.Refuse("%s was removed: add them again", u.Object.Name)
	}
	return u, err
}

func (s *Server) changeUser(ctx context.Context, in *ofUser[ChangeUser]) (*body[User], error) {
	u, err := s.known(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	f := &account.Changed{Target: u.Key, Display: u.Object.Display, Roles: u.Object.Roles}
	if in.Body.Display != nil {
		f.Display = *in.Body.Display
	}
	if len(in.Body.Roles) > 0 {
		f.Roles = noun.Set(in.Body.Roles)
	}
	if _, err := s.accounts.writeAgreed(ctx, account.UserCodec, account.TypeChanged, f); err != nil {
		return nil, err
	}
	return s.withCode(ctx, u.Key.ID(account.UserIDs), "")
}

func (s *Server) inviteUser(ctx context.Context, in *ofUser[InviteUser]) (*body[User], error) {
	u, err := s.known(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Body.Reset {
		for _, c := range u.Object.Credentials {
			if _, err := s.accounts.write(ctx, account.UserCodec, account.TypeWithdrawn, &account.Withdrawn{Target: u.Key, Kind: c.Kind, ID: c.ID}); err != nil {
				return nil, err
			}
		}
		s.signIn.EndAll(u.Object)
		s.did(ctx, "user.reset", u.Key.ID(account.UserIDs))
	}
	text, code := newCode(hours(in.Body.Hours))
	if _, err := s.accounts.writeAgreed(ctx, account.UserCodec, account.TypeInvited, &account.Invited{Target: u.Key, Code: code}); err != nil {
		return nil, err
	}
	return s.withCode(ctx, u.Key.ID(account.UserIDs), text)
}

func (s *Server) removeUser(ctx context.Context, in *ofUser[RemoveUser]) (*body[User], error) {
	u, err := s.known(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if _, err := s.accounts.write(ctx, account.UserCodec, account.TypeRemoved, &account.Removed{Target: u.Key, Reason: in.Body.Reason}); err != nil {
		return nil, err
	}
	s.signIn.EndAll(u.Object)
	return s.withCode(ctx, u.Key.ID(account.UserIDs), "")
}
